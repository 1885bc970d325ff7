"""Verdicts on simulated studies whose truth is known: coverage, false verdicts, power."""

import numpy as np
import pytest
from scipy import stats

from utils.metrics.statistics.bootstrap import weighted_map
from utils.metrics.voc_map import VocMatches
from yolo4.compare.conclusion import conclude
from yolo4.compare.design import Design

THREE = Design(looks=(3,))


class Images:
    """Images of two common classes and a rare one; in some all objects are hard to find."""

    def __init__(self, number, rng):
        self.objects = rng.poisson([3.0, 1.0, 0.3], (number, 3))
        self.hardness = rng.normal(0, 1, number)

    def detect(self, skill, rng):
        """The matches of a detector; with more skill it detects more, with higher scores."""
        count = self.objects.sum(axis=1)
        images = np.repeat(np.arange(len(count)), count)
        labels = np.repeat(np.tile([0, 1, 2], len(count)), self.objects.ravel())
        ease = skill - self.hardness[images] + rng.normal(0, 1, len(images))
        wrong = rng.poisson(2.0, len(count))
        images = np.concatenate([images[ease > 0], np.repeat(np.arange(len(count)), wrong)])
        labels = np.concatenate([labels[ease > 0], rng.integers(0, 3, wrong.sum())])
        scores = np.concatenate([ease[ease > 0], rng.normal(-0.5, 1, wrong.sum())])
        is_tp = np.arange(len(images)) < np.count_nonzero(ease > 0)
        order = np.argsort(-scores)
        rows = (images[order], labels[order], scores[order], is_tp[order])
        return VocMatches(*rows, self.objects)


def test_the_interval_over_images_covers_the_true_difference():
    """Two given detectors on 300 test sets; the truth is their difference on 40,000 images."""
    skills = {"bce": 0.5, "focal": 0.9}
    rng = np.random.default_rng(0)
    everything = Images(40_000, rng)
    once = np.ones((40_000, 1))
    truth = {a: weighted_map(everything.detect(k, rng), once)[0] for a, k in skills.items()}
    difference = truth["focal"] - truth["bce"]
    assert difference > 0.03
    covered, low, high = [], 0, 0
    for _ in range(300):
        images = Images(60, rng)
        matches = {arm: {0: images.detect(skill, rng)} for arm, skill in skills.items()}
        (contrast,) = conclude(matches, "bce", THREE, 300, 0)
        below, above = contrast.image_interval
        covered.append(below <= difference <= above)
        low, high = low + (above < difference), high + (below > difference)
    print(f"coverage {np.mean(covered):.3f}, too low {low}, too high {high}")
    assert 0.91 <= np.mean(covered) <= 0.985


def study(rng, effects, noise, seeds=3):
    """Noisy trainings: the skill of each run varies around that of its arm."""
    images = Images(60, rng)
    return {
        arm: {s: images.detect(rng.normal(0.5 + effect, noise), rng) for s in range(seeds)}
        for arm, effect in effects.items()
    }


def test_equal_arms_are_not_called_different_more_often_than_the_level_allows():
    """With noisy training the images alone would often say so; the verdict must not."""
    rng, studies = np.random.default_rng(1), 100
    wrong, by_images = 0, 0
    for _ in range(studies):
        arms = study(rng, {"bce": 0.0, "focal": 0.0, "ohem": 0.0}, noise=0.4)
        contrasts = conclude(arms, "bce", THREE, 200, 0)
        wrong += any(contrast.verdict in ("better", "worse") for contrast in contrasts)
        by_images += any(c.image_interval[0] > 0 or c.image_interval[1] < 0 for c in contrasts)
    print(f"verdicts {wrong}, by images alone {by_images} of {studies}")
    assert wrong <= stats.binom.ppf(0.99, studies, 0.05)
    assert by_images > 0.2 * studies


@pytest.mark.quick
def test_a_large_difference_is_found():
    rng, studies = np.random.default_rng(2), 25
    verdicts = [
        conclude(study(rng, {"bce": 0.0, "focal": 1.0}, noise=0.1), "bce", THREE, 200, 0)[0].verdict
        for _ in range(studies)
    ]
    assert verdicts.count("better") > 0.8 * studies
