"""Verdicts on hand-made runs whose mAP is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from utils.metrics.statistics.significance import VarianceComponents, holm
from utils.metrics.voc_map import VocMatches
from yolo4.compare.conclusion import conclude
from yolo4.compare.contrast import NotComparable
from yolo4.compare.design import Design

THREE = Design(looks=(3,))


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


def compare(arm, reference, design=THREE, **named):
    (contrast,) = conclude({"bce": reference, "focal": arm}, "bce", design, 1000, 0, **named)
    return contrast


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
        of_mean = images.var() / 200
        error = of_mean**0.5
        assert contrast.image_interval == pytest.approx(0.2 + error * np.array([-1.96, 1.96]), 0.05)
        # Seed by seed, a share of q images is gained; variance q (1 - q) / 200.
        of_one = np.mean([q * (1 - q) / 200 for q in (0.2, 0.18, 0.22)])
        image = (3 * of_mean - of_one) / 2
        half = VarianceComponents(image, 200, 0.02**2, 3).half_width(0.05)
        assert contrast.interval == pytest.approx((0.2 - half, 0.2 + half), rel=0.05)
        parts = contrast.components
        assert parts.image == pytest.approx(image**0.5, rel=0.05)
        assert parts.image_by_seed**2 == pytest.approx(of_one - image, rel=0.1)
        assert parts.seed**2 == pytest.approx(0.02**2 - (of_one - image), rel=0.1)
        assert (contrast.verdict, contrast.images, contrast.comparisons) == ("better", 200, 1)
        assert contrast.sentence.startswith("focal is better than bce: +20.0 points of mAP (95%")

    def test_the_other_way_round(self):
        better = compare(runs(140, 136, 144), runs(100, 100, 100))
        worse = compare(runs(100, 100, 100), runs(140, 136, 144))
        assert worse.verdict == "worse"
        assert worse.p == pytest.approx(better.p)
        assert worse.interval == pytest.approx((-better.interval[1], -better.interval[0]))
        assert worse.probability_worse == pytest.approx(better.probability_better)

    def test_noise_between_seeds_keeps_the_images_from_deciding(self):
        """The images alone would say better; the seeds differ by +50, -4 and +20."""
        contrast = compare(runs(150, 96, 120), runs(100, 100, 100))
        assert contrast.image_interval[0] > 0 > contrast.interval[0]
        assert contrast.verdict == "undecided"

    def test_noise_between_images_keeps_the_seeds_from_deciding(self):
        """Every seed gains 2 images of 200."""
        contrast = compare(runs(*[102] * 3), runs(*[100] * 3))
        assert contrast.components.seed == pytest.approx(0, abs=1e-6)
        assert contrast.verdict == "undecided"

    def test_one_seed_is_never_enough(self):
        contrast = compare(runs(200), runs(20))
        assert contrast.image_interval[0] > 0.8
        empty = (contrast.interval, contrast.p, contrast.p_same, contrast.probability_better)
        assert empty == (None,) * 4
        assert (contrast.verdict, contrast.looks, contrast.futile) == ("undecided", (), False)
        assert "one run per arm says nothing" in contrast.sentence

    def test_equal_runs_are_the_same(self):
        contrast = compare(runs(100, 120, 90), runs(100, 120, 90))
        assert (contrast.mean, contrast.interval, contrast.p) == (0, (0, 0), 1)
        assert contrast.verdict == "practically the same"
        assert contrast.correlation == pytest.approx(1)

    def test_probabilities_are_those_of_the_t_distribution(self):
        """The same images differ in every seed, but for one in 1000: the images alone count."""
        contrast = compare(runs(*[108] * 3), runs(*[100] * 3))
        deviation = contrast.components.image
        posterior = stats.t(199, contrast.mean, deviation)
        assert contrast.probability_worse == pytest.approx(posterior.cdf(0), rel=1e-3)
        assert contrast.probability_better == pytest.approx(posterior.sf(0), rel=1e-3)
        within = posterior.cdf(0.02) - posterior.cdf(-0.02)
        assert contrast.probability_same == pytest.approx(within, rel=1e-3)

    def test_only_seeds_that_both_finished_are_paired(self):
        reference, arm = runs(100, 100, 100, 100), runs(140, 100, 136, 144)
        del reference[1], arm[2]
        contrast = compare(arm, reference)
        assert contrast.seeds == (0, 3)
        assert contrast.differences == pytest.approx([0.2, 0.22])

    def test_goes_into_json(self):
        for contrast in (compare(runs(140, 136, 99), runs(100, 90, 95)), compare(runs(9), runs(8))):
            assert json.loads(json.dumps(contrast.to_dict(), allow_nan=False))["mean"] > 0

    def test_the_seed_of_the_bootstrap_decides_all(self):
        arm, reference = runs(110, 136), runs(100, 100)
        assert compare(arm, reference) == compare(arm, reference)
        (other,) = conclude({"bce": reference, "focal": arm}, "bce", THREE, 1000, 1)
        assert other.image_interval != compare(arm, reference).image_interval


@pytest.mark.quick
class TestLooks:
    design = Design(looks=(3, 5))
    arm, reference = runs(140, 136, 144, 60, 65, 61), runs(*[100] * 6)

    def of_first(self, seeds):
        return compare({s: self.arm[s] for s in range(seeds)}, self.reference, self.design)

    def test_before_the_first_there_is_an_interval_and_no_verdict(self):
        contrast = self.of_first(2)
        assert contrast.interval is not None
        assert (contrast.p, contrast.verdict, contrast.next_look) == (None, "undecided", 3)
        assert contrast.sentence.endswith("The first verdict is given after 3 seeds.")

    def test_between_two_the_earlier_one_stands(self):
        at_three, at_four = self.of_first(3), self.of_first(4)
        assert (at_three.verdict, len(at_three.looks), at_three.next_look) == ("better", 1, 5)
        assert at_four == at_three

    def test_the_last_one_counts_and_the_earlier_ones_are_kept(self):
        at_five, at_six = self.of_first(5), self.of_first(6)
        assert at_five.verdict == "undecided"
        assert [look.verdict for look in at_five.looks] == ["better", "undecided"]
        assert at_five.looks[0] == self.of_first(3).looks[0]
        assert (at_five.next_look, at_five.last_look, len(at_five.seeds)) == (None, 5, 5)
        assert at_six.seeds == at_five.seeds

    def test_more_looks_make_the_first_stricter(self):
        alone, first = (compare(runs(140, 136, 144), runs(100, 100, 100), Design(looks=looks))
                        for looks in ((3,), (3, 12)))  # fmt: skip
        assert alone.p < first.p
        assert alone.interval[0] > first.interval[0]


@pytest.mark.quick
class TestFolds:
    def test_runs_of_a_fold_share_images_and_others_do_not(self):
        """Seeds 0 and 2 test 50 images, 1 and 3 others, 80 of them."""
        design = Design(looks=(4,), folds=2)
        reference = {s: run(np.arange(20), (50, 80)[s % 2]) for s in range(4)}
        arm = {s: run(np.arange(30 + s), (50, 80)[s % 2]) for s in range(4)}
        contrast = compare(arm, reference, design)
        assert contrast.images == 130
        assert contrast.differences == pytest.approx([10 / 50, 11 / 80, 12 / 50, 13 / 80])
        # Each fold is half of the mean, with the variance of its own images.
        shares = np.array([11 / 50, 12 / 80])
        deviation = (np.sum(shares * (1 - shares) / [50, 80]) / 4) ** 0.5
        width = np.diff(contrast.image_interval)[0]
        assert width == pytest.approx(2 * 1.96 * deviation, rel=0.1)

    def test_overlapping_training_sets_widen_the_interval(self):
        """Seeds of four folds: their variance is divided by 4, then a third of it added."""
        arm, reference = runs(104, 98, 108, 106), runs(*[100] * 4)
        contrast = compare(arm, reference, Design(looks=(4,), folds=4))
        variance = np.var(contrast.differences, ddof=1)
        half = VarianceComponents(0.0, 800, variance, 4, 4, variance).half_width(0.05)
        # The resamples of different folds are independent, but only nearly uncorrelated.
        assert np.diff(contrast.interval)[0] / 2 == pytest.approx(half, rel=0.05)

    def test_every_fold_needs_images_with_objects(self):
        empty = replace(run([0], 9), num_gt=np.zeros((9, 1), np.int64))
        arm = {0: run([0, 1], 9), 1: empty}
        contrast = compare(arm, arm, Design(looks=(2,), folds=2))
        assert "fewer than two test images have objects" in contrast.sentence


SEVERAL = {
    "bce": runs(100, 100, 100),
    "a": runs(140, 136, 144),
    "b": runs(104, 100, 111),
    "c": runs(70, 60, 62),
    "d": runs(190),
}


@pytest.mark.quick
class TestSeveralArms:
    def test_p_is_corrected_over_all_arms(self):
        """An arm that has not reached the look counts with p = 1."""
        contrasts = conclude(SEVERAL, "bce", THREE, 1000, 0)
        assert [contrast.arm for contrast in contrasts] == ["a", "b", "c", "d"]
        expected = holm([*(contrast.p for contrast in contrasts[:3]), 1.0])
        assert [contrast.p_holm for contrast in contrasts] == [*expected[:3], None]
        verdicts = [contrast.verdict for contrast in contrasts]
        assert verdicts == ["better", "undecided", "worse", "undecided"]
        assert "corrected for 4 comparisons" in contrasts[0].sentence

    def test_the_interval_alone_is_not_enough(self):
        """Just significant by itself, and no more beside two others of the kind."""
        reference, arm = runs(100, 100, 100), runs(106, 104, 107)
        alone = compare(arm, reference)
        assert alone.verdict == "better"
        assert alone.p > 0.05 / 3
        arms = {"bce": reference, **dict.fromkeys("abc", arm)}
        for contrast in conclude(arms, "bce", THREE, 1000, 0):
            assert contrast.interval[0] > 0
            assert contrast.verdict == "undecided"
            assert "corrected for 3 comparisons" in contrast.sentence

    def test_other_arms_change_nothing_but_the_correction(self):
        (alone,) = conclude({a: SEVERAL[a] for a in ("bce", "b")}, "bce", THREE, 1000, 0)
        among = conclude(SEVERAL, "bce", THREE, 1000, 0)[1]
        for name in ("differences", "image_interval", "interval", "p", "p_same"):
            assert getattr(among, name) == getattr(alone, name)


@pytest.mark.quick
class TestLostRuns:
    counts = (130, 124, 128, 121, 126, 133)
    design = Design(looks=(3, 5, 8))

    def test_a_look_comes_when_all_its_runs_have_ended(self):
        """Seed 2 of the arm and seed 7 of the reference diverged."""
        kept = (0, 1, 3, 4, 5, 6)
        arm = dict(zip(kept, runs(*self.counts).values(), strict=True))
        reference = dict.fromkeys((*kept, 2), run(np.arange(100)))
        lost = {"focal": [2], "bce": [7]}
        contrast = compare(arm, reference, self.design, lost=lost)
        assert [look.seeds for look in contrast.looks] == [2, 4, 6]
        assert (contrast.seeds, contrast.next_look) == (kept, None)
        expected = compare(runs(*self.counts), runs(*[100] * 6), Design(looks=(2, 4, 6)))
        assert contrast.verdict == expected.verdict == "better"
        assert contrast.interval == expected.interval
        assert "6 seeds" in contrast.sentence

    def test_later_looks_lack_the_lost_seeds_too(self):
        """The study can still have 7 seeds: the share of the information is that of 7."""
        arm, reference = runs(130, 124, 128), runs(100, 100, 100)
        arm = {0: arm[0], 1: arm[1], 3: arm[2]}
        reference = {0: reference[0], 1: reference[1], 3: reference[2]}
        lost = {"focal": [2]}
        contrast = compare(arm, reference, self.design, lost=lost)
        assert [look.seeds for look in contrast.looks] == [2]
        assert (contrast.seeds, contrast.next_look, contrast.last_look) == ((0, 1), 5, 8)
        expected = compare(runs(130, 124), runs(100, 100), Design(looks=(2, 4, 7)))
        assert contrast.interval == expected.interval

    def test_a_look_with_one_seed_is_none(self):
        lost = {"focal": [1, 2]}
        contrast = compare({0: run(np.arange(130))}, runs(*[100] * 3), THREE, lost=lost)
        assert (contrast.looks, contrast.next_look) == ((), None)
        assert "one run per arm says nothing" in contrast.sentence


@pytest.mark.quick
class TestNotComparable:
    def test_gives_the_reason_and_no_number(self):
        matches = {
            "bce": runs(100, 100, 100),
            "focal": runs(150, 151, 152),
            "ohem": runs(150, 151, 152),
        }
        reasons = {"focal": "the first batches differ"}
        focal, ohem = conclude(matches, "bce", THREE, 500, 0, reasons)
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
        (contrast,) = conclude({"bce": runs(5)}, "bce", THREE, 500, 0, {"focal": "it failed"})
        assert contrast.sentence == "focal and bce cannot be compared: it failed."
        assert conclude({"bce": runs(5)}, "bce", THREE, 500, 0) == []

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
