"""Simulated studies: detections of noisy trainings, with a true difference that is known.

An object is detected if its ease is positive, and its score is the ease: the skill of the run, the
image's and the object's own ease, which all runs share, and noise that is new for each run. What an
arm does to single images, what a training does to all of them, and what it does to single ones are
three more parts. False detections have other scores.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from utils.metrics.statistics.bootstrap import weighted_map
from utils.metrics.voc_map import VocMatches, pooled

_FALSE = 1.5  # false detections in an image, on average
_SKILL = 0.9
# Standard deviations in units of ease. With them, runs scatter by 1.5 points of mAP, and 72 images
# leave 1.3 points of doubt about a difference.
_IMAGE, _OBJECT, _ARM_BY_IMAGE, _RUN, _RUN_BY_IMAGE, _RUN_BY_OBJECT = (
    0.6,
    0.8,
    0.17,
    0.033,
    0.08,
    0.12,
)


@dataclass(frozen=True)
class Scenario:
    """What is simulated.

    Attributes:
        images: of the test split, or of all folds together.
        noise: of the training of each arm, relative to `_RUN` and `_RUN_BY_IMAGE`; the reference
            is the first.
        folds: see `yolo4.compare.design.Design`.
        training_set: what the choice of the training images does to the skill of an arm; standard
            deviation. Folds share most of it.
        objects: of each class in an image, on average.
    """

    images: int
    noise: tuple[float, ...] = (1.0, 1.0)
    folds: int = 0
    training_set: float = 0.0
    objects: tuple[float, ...] = (1.5, 0.8)


def simulate(
    scenario: Scenario, skills: Sequence[float], seeds: int, rng: np.random.Generator
) -> dict[str, dict[int, VocMatches]]:
    """The matched detections of one study, by arm ("0" is the reference) and seed.

    Args:
        scenario: what is simulated.
        skills: of each arm, relative to the reference's.
        seeds: runs of each arm.
        rng: draws everything.
    """
    folds = max(1, scenario.folds)
    number = scenario.images // folds
    tests = [_Images(number, scenario.objects, len(skills), rng) for _ in range(folds)]
    lessons = lessons_of(scenario, len(skills), rng)
    return {
        str(arm): {
            seed: tests[seed % folds].detect(
                arm, skill + lessons[arm, seed % folds], scenario.noise[arm], rng
            )
            for seed in range(seeds)
        }
        for arm, skill in enumerate(skills)
    }


def lessons_of(scenario: Scenario, arms: int, rng: np.random.Generator) -> np.ndarray:
    """What the training set of each fold does to the skill of each arm, `[arms, folds]`.

    Each part of the labeled images teaches something; a fold's training set lacks that part.
    """
    folds = max(1, scenario.folds)
    taught = rng.normal(0, scenario.training_set * np.sqrt(folds), (arms, folds))
    return (taught.sum(axis=1, keepdims=True) - taught) / max(1, folds - 1)


class _Images:
    """Test images, with what makes their objects easy for all runs of an arm."""

    def __init__(
        self, number: int, objects: Sequence[float], arms: int, rng: np.random.Generator
    ) -> None:
        self._num_gt = rng.poisson(objects, (number, len(objects)))
        self._num_gt[:2] += 1
        count = self._num_gt.sum(axis=1)
        self._images = np.repeat(np.arange(number), count)
        every_label = np.tile(np.arange(len(objects)), number)
        self._labels = np.repeat(every_label, self._num_gt.ravel())
        common = rng.normal(0, _OBJECT, count.sum()) + rng.normal(0, _IMAGE, number)[self._images]
        self._of_arms = rng.normal(0, _ARM_BY_IMAGE, (arms, number))
        self._ease = common
        self._wrong = np.repeat(np.arange(number), rng.poisson(_FALSE, number))
        self._wrong_labels = rng.integers(0, len(objects), len(self._wrong))
        self._wrong_scores = rng.normal(0, 0.7, len(self._wrong))

    def detect(self, arm: int, skill: float, noise: float, rng: np.random.Generator) -> VocMatches:
        """One training's detections."""
        images = np.concatenate([self._images, self._wrong])
        labels = np.concatenate([self._labels, self._wrong_labels])
        scores = np.concatenate([self._ease, self._wrong_scores])
        of_images = self._of_arms[arm] + rng.normal(0, noise * _RUN_BY_IMAGE, len(self._num_gt))
        for_objects = rng.normal(_SKILL + skill, noise * _RUN) + of_images[self._images]
        scores[: len(self._images)] += for_objects
        scores += rng.normal(0, noise * _RUN_BY_OBJECT, len(scores))
        order = np.argsort(-scores)
        order = order[scores[order] > 0]
        right = order < len(self._images)
        return VocMatches(images[order], labels[order], scores[order], right, self._num_gt)


def skill_of(scenario: Scenario, differences: Sequence[float], studies: int = 1000) -> np.ndarray:
    """How much more skill makes these differences of the expected mAP, between the first two arms.

    Args:
        scenario: what is simulated.
        differences: fractions of mAP, ascending.
        studies: simulated image sets, the same for each skill that is tried.
    """
    part = replace(scenario, images=scenario.images // max(1, scenario.folds), folds=0)
    part = replace(part, noise=scenario.noise[:2], training_set=0.0)
    tried = np.linspace(-0.1, 0.5, 5)
    means = [_mean_difference(part, float(skill), studies) for skill in tried]
    return np.interp(differences, means, tried)


def co_difference(scenario: Scenario, skill: float, studies: int = 1000) -> float:
    """The expected difference of the AP of all objects as one class that this skill makes."""
    return _mean_difference(scenario, skill, studies, pooled)


def _mean_difference(
    scenario: Scenario,
    skill: float,
    studies: int,
    as_measured: Callable[[VocMatches], VocMatches] = lambda run: run,
) -> float:
    once = np.ones((scenario.images, 1))
    total = 0.0
    for study in range(studies):
        runs = simulate(scenario, (0.0, skill), 1, np.random.default_rng([study, 1]))
        values = [weighted_map(as_measured(runs[arm][0]), once)[0] for arm in "01"]
        total += float(values[1] - values[0])
    return total / studies
