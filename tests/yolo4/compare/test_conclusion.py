"""Verdicts: hand-made runs whose mAP is known, and simulated studies whose truth is known."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import stats

from utils.metrics.bootstrap import bootstrap_map, weighted_map
from utils.metrics.significance import VarianceComponents, holm, least_sign_flip_p, sign_flip_p
from utils.metrics.voc_map import VocMatches
from yolo4.compare.conclusion import _what_would_settle, conclude
from yolo4.compare.contrast import Contrast, NotComparable


def run(found, images=200):
    """One object per image, no false positive: mAP is the share of images with a detection."""
    found = np.asarray(found, np.int64)
    return VocMatches(
        found,
        np.zeros_like(found),
        np.linspace(0.9, 0.1, len(found)),
        np.ones(len(found), bool),
        np.ones((images, 1), np.int64),
    )


def runs(*counts, images=200, first=0):
    """One run per seed that detects the objects of so many images, from the first on."""
    return {s: run(np.arange(first, first + n), images) for s, n in enumerate(counts)}


def compare(arm, reference, resamples=1000, **named):
    (contrast,) = conclude({"bce": reference, "focal": arm}, "bce", resamples, 0, **named)
    return contrast


def variances_of(arm, reference, resamples=1000):
    """The variances behind the interval of `compare`, computed independently."""
    drawn = bootstrap_map([*reference.values(), *arm.values()], resamples, np.random.default_rng(0))
    drawn = (drawn[len(reference) :] - drawn[: len(reference)]).mean(axis=0)
    once = np.ones((200, 1))
    seen = [weighted_map(arm[s], once)[0] - weighted_map(reference[s], once)[0] for s in arm]
    return VarianceComponents(drawn.var(ddof=1), 200, np.var(seen, ddof=1), len(arm))


@pytest.mark.quick
class TestNumbers:
    def test_hand_worked(self):
        """Seeds differ by 40, 36 and 44 of 200 images: a mean of 0.2 and s of 0.02."""
        contrast = compare(runs(140, 136, 144), runs(100, 100, 100))
        assert (contrast.arm, contrast.reference, contrast.seeds) == ("focal", "bce", (0, 1, 2))
        assert contrast.differences == pytest.approx([0.2, 0.18, 0.22])
        assert contrast.mean == pytest.approx(0.2)
        # Which images were drawn: a share of 0.2 found by one arm only, but not all by each seed.
        images = np.array([0.0] * 100 + [1.0] * 36 + [2 / 3] * 4 + [1 / 3] * 4 + [0.0] * 56)
        error = images.std() / np.sqrt(200)
        assert contrast.image_interval == pytest.approx(0.2 + error * np.array([-1.96, 1.96]), 0.05)
        half = VarianceComponents(error**2, 200, 0.02**2, 3).half_width()
        assert contrast.interval == pytest.approx((0.2 - half, 0.2 + half), rel=0.05)
        assert contrast.sign_flip_p == contrast.least_sign_flip_p == 0.25
        assert contrast.verdict == "better"
        assert contrast.sentence.startswith("focal is better than bce: +20.0 points of mAP (95%")

    def test_the_other_way_round(self):
        better = compare(runs(140, 136, 144), runs(100, 100, 100))
        worse = compare(runs(100, 100, 100), runs(140, 136, 144))
        assert worse.verdict == "worse"
        assert worse.p == pytest.approx(better.p)
        assert worse.interval == pytest.approx((-better.interval[1], -better.interval[0]))

    def test_noise_between_seeds_keeps_the_images_from_deciding(self):
        """The images alone would say better; the seeds differ by +50, -4 and +20."""
        contrast = compare(runs(150, 96, 120), runs(100, 100, 100))
        assert contrast.image_interval[0] > 0 > contrast.interval[0]
        assert contrast.verdict == "inconclusive"
        assert contrast.sentence.startswith("Inconclusive: focal - bce = +11.0 points of mAP, 95%")

    def test_noise_between_images_keeps_the_seeds_from_deciding(self):
        """Every seed gains 2 images of 200."""
        contrast = compare(runs(*[102] * 6), runs(*[100] * 6))
        assert contrast.sign_flip_p == least_sign_flip_p(6) < 0.05
        assert contrast.verdict == "inconclusive"

    def test_one_seed_is_never_enough(self):
        contrast = compare(runs(200), runs(20))
        assert contrast.image_interval[0] > 0.8
        assert (contrast.interval, contrast.p, contrast.p_holm) == (None, None, None)
        assert (contrast.sign_flip_p, contrast.least_sign_flip_p) == (1, 1)
        assert (contrast.verdict, contrast.seeds_needed) == ("inconclusive", None)
        assert "one run per arm says nothing" in contrast.sentence

    def test_equal_runs_are_no_difference(self):
        contrast = compare(runs(100, 120), runs(100, 120))
        assert (contrast.mean, contrast.interval, contrast.p) == (0, (0, 0), 1)
        assert contrast.verdict == "inconclusive"
        assert (contrast.seeds_needed, contrast.images_needed) == (None, None)

    def test_only_seeds_that_both_finished_are_paired(self):
        reference, arm = runs(100, 100, 100, 100), runs(140, 100, 136, 144)
        del reference[1], arm[2]
        contrast = compare(arm, reference)
        assert contrast.seeds == (0, 3)
        assert contrast.differences == pytest.approx([0.2, 0.22])

    def test_goes_into_json(self):
        for contrast in (compare(runs(140, 136), runs(100, 90)), compare(runs(9), runs(8))):
            assert json.loads(json.dumps(asdict(contrast), allow_nan=False))["mean"] > 0

    def test_the_seed_of_the_bootstrap_decides_all(self):
        arm, reference = runs(110, 136), runs(100, 100)
        assert compare(arm, reference) == compare(arm, reference)
        (other,) = conclude({"bce": reference, "focal": arm}, "bce", 1000, 1)
        assert other.image_interval != compare(arm, reference).image_interval


@pytest.mark.quick
class TestWhatWouldSettle:
    @pytest.mark.parametrize(
        ("counts", "needs"),
        [
            ((150, 96, 120), "seeds"),
            ((102, 103, 102), "images"),
            ((98, 101, 105, 101), "both"),
            ((100, 104, 96), "neither"),
        ],
    )
    def test_is_the_smallest_that_excludes_zero(self, counts, needs):
        arm, reference = runs(*counts), runs(*[100] * len(counts))
        contrast, variances = compare(arm, reference), variances_of(arm, reference)
        seeds, images = contrast.seeds_needed, contrast.images_needed
        expected = {"seeds": (1, 0), "images": (0, 1), "both": (1, 1), "neither": (0, 0)}[needs]
        assert (seeds is not None, images is not None) == expected

        def settled(seeds, images):
            share = 200 / images
            grown = replace(
                variances,
                image_variance=variances.image_variance * share,
                images=images,
                seeds=seeds,
            )
            low = contrast.mean - (contrast.mean - contrast.image_interval[0]) * share**0.5
            return low > 0 and abs(contrast.mean) > grown.half_width()

        now = len(counts)
        if needs == "seeds":
            assert settled(seeds, 200)
            assert not any(settled(fewer, 200) for fewer in range(2, seeds))
            assert f"about {seeds} seeds would settle it" in contrast.sentence
        elif needs == "images":
            assert not any(settled(more, 200) for more in range(now, 1001))
            assert settled(now, images)
            assert not settled(now, images * 0.9)
        elif needs == "both":
            assert not any(settled(more, 200) for more in range(now, 1001))
            assert not settled(now, 200_000)
            assert settled(seeds, images)
            assert f"about {seeds} seeds and {images} test images together" in contrast.sentence

    def test_more_seeds_do_not_help_where_the_images_alone_span_zero(self):
        """-0.1 to +4 points about +2 on 100 images: 1.05 squared as many, rounded up."""
        contrast = Contrast(
            "focal",
            "bce",
            (0, 1, 2),
            differences=(0.019, 0.02, 0.021),
            mean=0.02,
            image_interval=(-0.001, 0.04),
            sign_flip_p=0.25,
            least_sign_flip_p=0.25,
        )
        assert _what_would_settle(contrast, VarianceComponents(1e-6, 100, 1e-8, 3), 1) == (
            None,
            120,
        )

    def test_several_arms_need_more(self):
        reference, arm = runs(100, 100, 100), runs(150, 96, 120)
        alone = compare(arm, reference)
        one, *_ = conclude({"bce": reference, "a": arm, "b": arm, "c": arm}, "bce", 1000, 0)
        assert one.seeds_needed > alone.seeds_needed


SEVERAL = {
    "bce": runs(100, 100, 100),
    "a": runs(140, 136, 144),
    "b": runs(104, 100, 111),
    "c": runs(70, 60, 62),
    "d": runs(190),
}


@pytest.mark.quick
class TestSeveralArms:
    def test_p_is_corrected_over_all_that_have_one(self):
        contrasts = conclude(SEVERAL, "bce", 1000, 0)
        assert [contrast.arm for contrast in contrasts] == ["a", "b", "c", "d"]
        expected = holm([contrast.p for contrast in contrasts[:3]])
        assert [contrast.p_holm for contrast in contrasts] == [*expected, None]
        flips = holm([sign_flip_p(contrast.differences) for contrast in contrasts])
        assert [contrast.sign_flip_p_holm for contrast in contrasts] == flips.tolist()
        verdicts = [contrast.verdict for contrast in contrasts]
        assert verdicts == ["better", "inconclusive", "worse", "inconclusive"]
        assert "corrected for 3 comparisons" in contrasts[0].sentence

    def test_the_interval_alone_is_not_enough(self):
        """Just significant by itself, and no more beside two others of the kind."""
        reference, arm = runs(100, 100, 100), runs(108, 106, 110)
        assert compare(arm, reference).verdict == "better"
        arms = {"bce": reference, **dict.fromkeys("abc", arm)}
        for contrast in conclude(arms, "bce", 1000, 0):
            assert contrast.interval[0] > 0
            assert contrast.verdict == "inconclusive"
            assert "corrected for 3 comparisons" in contrast.sentence

    def test_other_arms_change_nothing_but_the_correction(self):
        (alone,) = conclude({a: SEVERAL[a] for a in ("bce", "b")}, "bce", 1000, 0)
        among = conclude(SEVERAL, "bce", 1000, 0)[1]
        for name in ("differences", "image_interval", "interval", "p", "sign_flip_p"):
            assert getattr(among, name) == getattr(alone, name)


@pytest.mark.quick
class TestNotComparable:
    def test_gives_the_reason_and_no_number(self):
        matches = {"bce": runs(100, 100), "focal": runs(150, 151), "ohem": runs(150, 151)}
        focal, ohem = conclude(matches, "bce", 500, 0, {"focal": "the first batches differ"})
        assert isinstance(focal, NotComparable)
        assert focal.to_dict().keys() == ohem.to_dict().keys()
        numbers = [focal.to_dict()[name] for name in ("mean", "interval", "p", "seeds")]
        assert numbers == [None, None, None, ()]
        assert focal.sentence == "focal and bce cannot be compared: the first batches differ."
        assert ohem.verdict == "better"

    @pytest.mark.parametrize(
        ("reference", "arm"),
        [({}, runs(5)), (runs(5), {}), ({}, {}), ({0: run([1])}, {1: run([1])})],
    )
    def test_no_seed_in_common(self, reference, arm):
        contrast = compare(arm, reference)
        assert isinstance(contrast, NotComparable)
        assert "no seed that both finished" in contrast.sentence

    def test_arms_that_have_no_matches_at_all(self):
        (contrast,) = conclude({"bce": runs(5)}, "bce", 500, 0, {"focal": "it failed"})
        assert contrast.sentence == "focal and bce cannot be compared: it failed."
        assert conclude({"bce": runs(5)}, "bce", 500, 0) == []

    @pytest.mark.parametrize("with_objects", [0, 1])
    def test_nothing_to_resample(self, with_objects):
        objects = (np.arange(9) < with_objects).astype(np.int64)[:, None]
        one = replace(run(np.arange(with_objects), 9), num_gt=objects)
        contrast = compare({0: one, 1: one}, {0: one, 1: one})
        assert isinstance(contrast, NotComparable)
        assert "fewer than two test images have objects" in contrast.sentence

    def test_runs_on_different_images_are_refused(self):
        with pytest.raises(ValueError, match="different images"):
            compare(runs(5, 6, images=9), runs(5, 6, images=10))


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
        (contrast,) = conclude(matches, "bce", 300, 0)
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
        contrasts = conclude(arms, "bce", 200, 0)
        wrong += any(contrast.verdict != "inconclusive" for contrast in contrasts)
        by_images += any(c.image_interval[0] > 0 or c.image_interval[1] < 0 for c in contrasts)
    print(f"verdicts {wrong}, by images alone {by_images} of {studies}")
    assert wrong <= stats.binom.ppf(0.99, studies, 0.05)
    assert by_images > 0.2 * studies


@pytest.mark.quick
def test_a_large_difference_is_found():
    rng, studies = np.random.default_rng(2), 25
    verdicts = [
        conclude(study(rng, {"bce": 0.0, "focal": 1.0}, noise=0.1), "bce", 200, 0)[0].verdict
        for _ in range(studies)
    ]
    assert verdicts.count("better") > 0.8 * studies
