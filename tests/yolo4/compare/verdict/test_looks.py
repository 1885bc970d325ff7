"""The verdict of a look, by hand and against SciPy."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from utils.metrics.statistics.sequential import nominal_levels, obrien_fleming_like, pocock_like
from utils.metrics.statistics.significance import VarianceComponents, holm
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import Estimate
from yolo4.compare.verdict.looks import correct_for_arms, look_at

pytestmark = pytest.mark.quick


def estimate_of(differences, image_variance=0.0):
    values = np.array(differences)
    variances = VarianceComponents(image_variance, 72, values.var(ddof=1), len(values))
    return Estimate(
        tuple(range(len(values))),
        tuple(differences),
        values.mean(),
        (0.0, 0.0),
        variances,
        None,
        None,
    )


@pytest.mark.parametrize("center", [-0.015, 0.0, 0.004, 0.03])
def test_one_look_without_noise_of_the_images_is_two_tests_of_scipy(center):
    differences = center + np.array([0.004, -0.007, 0.002, 0.001, 0.003, -0.004])
    look = look_at(estimate_of(differences), Design(0.02, (6,)), 0)
    assert look.p == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, rel=1e-4)
    sides = (
        stats.ttest_1samp(differences, 0.02, alternative="less"),
        stats.ttest_1samp(differences, -0.02, alternative="greater"),
    )
    expected = max(side.pvalue for side in sides)
    assert look.p_same == pytest.approx(expected if expected < 0.5 else 1, rel=1e-4)
    test = stats.ttest_1samp(differences, 0)
    assert look.interval == pytest.approx(test.confidence_interval(0.95))
    assert look.equivalence_interval == pytest.approx(test.confidence_interval(0.90))


@pytest.mark.parametrize("center", [0.004, 0.008])
def test_a_lower_level_widens_the_intervals_and_holds_the_verdict(center):
    """The p values stay; 2.5% are compared with them."""
    differences = center + np.array([0.004, -0.007, 0.002, 0.001, 0.003, -0.004])
    found, design = estimate_of(differences), Design(0.006, (6,))
    look, strict = look_at(found, design, 0), look_at(found, design, 0, 0.025)
    test = stats.ttest_1samp(differences, 0)
    assert strict.interval == pytest.approx(test.confidence_interval(0.975))
    assert strict.equivalence_interval == pytest.approx(test.confidence_interval(0.95))
    assert (strict.p, strict.p_same) == (look.p, look.p_same)
    between = replace(strict, p=0.03, p_same=1.0)
    assert correct_for_arms([between], 1, 0.025)[0].verdict == "undecided"
    assert correct_for_arms([between], 1)[0].verdict == "better"


def test_the_looks_share_the_error():
    """Without noise of the images, the information grows with the seeds."""
    differences = (0.01, 0.03, 0.02, 0.035, 0.015)
    found = estimate_of(differences)
    look = look_at(found, Design(0.02, (3, 5, 8, 12)), 1)
    shares = np.array([3, 5, 8, 12]) / 12
    level = nominal_levels(shares, 0.025, pocock_like)[1]
    half = stats.t.isf(level, 4) * np.std(differences, ddof=1) / 5**0.5
    assert look.interval == pytest.approx((0.022 - half, 0.022 + half))
    level = nominal_levels(shares, 0.05, obrien_fleming_like)[1]
    half = stats.t.isf(level, 4) * np.std(differences, ddof=1) / 5**0.5
    assert look.equivalence_interval == pytest.approx((0.022 - half, 0.022 + half))
    assert look.p > stats.ttest_1samp(differences, 0).pvalue


@pytest.mark.parametrize("image", [0.0, 0.0001])
@pytest.mark.parametrize("seeds", [3, 5, 8, 12])
def test_verdict_p_and_intervals_agree(image, seeds):
    """Over a range of means: an interval without zero is a p below 5%, and sameness likewise."""
    spread = 0.02 * np.resize([1.0, -1.0, 0.5, -0.5], seeds)
    design, verdicts = Design(), set()
    for mean in np.linspace(-0.1, 0.1, 41):
        found = estimate_of(spread - spread.mean() + mean, image)
        look = look_at(found, design, design.looks.index(seeds))
        assert (look.p < 0.05) == (look.interval[0] > 0 or look.interval[1] < 0)
        low, high = look.equivalence_interval
        assert (look.p_same < 0.05) == (low > -0.02 and high < 0.02)
        verdicts.add(look.verdict)
    assert {"better", "worse"} <= verdicts


def test_sameness_comes_before_a_difference_that_does_not_matter():
    """+0.5 points, surely above 0 and surely below 2."""
    found = estimate_of([0.005 + 0.0001 * i for i in (-1, 0, 1)])
    look = look_at(found, Design(looks=(3,)), 0)
    assert look.interval[0] > 0
    assert look.verdict == "practically the same"


class TestFutility:
    def test_where_the_images_leave_too_much_doubt(self):
        """A standard error of 3 points that no seed reduces."""
        assert look_at(estimate_of([0.01, 0.012, 0.011], 0.03**2), Design(), 0).futile
        assert not look_at(estimate_of([0.1, 0.06, 0.08], 0.03**2), Design(), 0).futile

    @pytest.mark.parametrize("image", [0.008, 0.011])
    def test_below_a_chance_of_10_percent(self, image):
        """Student's t of the mean after 12 seeds, against the limits of the last look."""
        design, spread = Design(looks=(3, 12)), 0.004 * np.array([-1.0, 0.0, 1.0])
        variances = estimate_of(spread, image**2).variances
        shares, end = variances.shares(design.looks), replace(variances, seeds=12)
        beyond = end.half_width(2 * nominal_levels(shares, 0.025, pocock_like)[1])
        within = 0.02 - end.half_width(2 * nominal_levels(shares, 0.05, obrien_fleming_like)[1])
        found = set()
        for mean in np.linspace(0, 0.03, 31):
            coming = stats.t(2, mean, 0.004 * np.sqrt(1 / 3 - 1 / 12))
            chance = coming.sf(beyond) + coming.cdf(-beyond)
            chance += coming.cdf(within) - coming.cdf(-within) if within > 0 else 0
            look = look_at(estimate_of(spread + mean, image**2), design, 0)
            expected = chance < 0.1 and look.verdict == "undecided"
            assert look.futile == expected
            found.add(expected)
        assert found == {True, False}

    def test_not_at_the_last_look_and_not_beside_a_verdict(self):
        noisy = estimate_of([0.05, -0.05] * 6)
        assert not look_at(noisy, Design(), 3).futile
        same = look_at(estimate_of([0.0, 0.0, 0.0]), Design(), 0)
        assert (same.verdict, same.futile) == ("practically the same", False)


class TestSeveralArms:
    looks = tuple(
        look_at(estimate_of(0.02 * np.array(differences)), Design(looks=(3,)), 0)
        for differences in ([1, 1.1, 1.2], [1, 1.3, 1.6], [1, -1.1, 0.1])
    )

    def test_holm_over_the_arms(self):
        found = correct_for_arms(self.looks, 3)
        assert [look.p_holm for look in found] == holm([look.p for look in self.looks]).tolist()
        assert [look.p_same_holm for look in found] == holm(
            [look.p_same for look in self.looks]
        ).tolist()

    def test_arms_that_are_not_there_yet_count(self):
        (alone,) = correct_for_arms(self.looks[:1], 4)
        assert alone.p_holm == pytest.approx(4 * self.looks[0].p)

    def test_the_verdict_is_that_of_the_corrected_p(self):
        """p about 0.003: better among ten arms, and no more among twenty."""
        p = self.looks[0].p
        assert 0.05 / 20 < p < 0.05 / 10
        (ten,), (twenty,) = (correct_for_arms(self.looks[:1], n) for n in (10, 20))
        assert (ten.verdict, twenty.verdict) == ("better", "undecided")

    def test_a_decided_look_is_not_futile(self):
        futile = replace(self.looks[0], futile=True)
        assert not correct_for_arms([futile], 1)[0].futile
