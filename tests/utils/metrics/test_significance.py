"""Sign flips, Holm and the interval over images and seeds against independent computations."""

import itertools
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from utils.metrics.significance import (
    MOST_PAIRS,
    VarianceComponents,
    holm,
    least_sign_flip_p,
    sign_flip_p,
)

pytestmark = pytest.mark.quick

p_values = st.lists(st.floats(0, 1), max_size=6)


class TestSignFlip:
    @given(st.lists(st.integers(-9, 9), min_size=1, max_size=8))
    def test_counts_every_pattern(self, tenths):
        """Tenths tie often, but not in binary: 0.1 + 0.2 - 0.3 is not 0."""
        exact = [Fraction(tenth, 10) for tenth in tenths]
        patterns = list(itertools.product([-1, 1], repeat=len(exact)))
        sums = [sum(s * d for s, d in zip(p, exact, strict=True)) for p in patterns]
        extreme = sum(abs(total) >= abs(sum(exact)) for total in sums)
        assert sign_flip_p([tenth / 10 for tenth in tenths]) == extreme / len(patterns)

    @pytest.mark.parametrize("pairs", range(2, 10))
    def test_equals_scipy(self, pairs):
        differences = np.random.default_rng(pairs).normal(0.5, 1, pairs)
        expected = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=np.inf
        )
        assert sign_flip_p(differences) == pytest.approx(expected.pvalue, rel=1e-12)

    @pytest.mark.parametrize("pairs", [1, 2, 3, 5, 10])
    def test_all_of_one_sign_give_the_least_p(self, pairs):
        assert sign_flip_p([-0.01] * pairs) == least_sign_flip_p(pairs) == 2 / 2**pairs

    def test_no_difference_is_no_evidence(self):
        assert sign_flip_p([0.0, 0.0, 0.0]) == 1
        assert sign_flip_p([0.3, -0.3]) == 1

    def test_the_most_pairs_take_seconds_and_more_are_refused(self):
        start = time.process_time()
        assert sign_flip_p(np.linspace(0.1, 0.2, MOST_PAIRS)) == least_sign_flip_p(MOST_PAIRS)
        assert time.process_time() - start < 10
        for wrong in (MOST_PAIRS + 1, 0):
            with pytest.raises(ValueError, match=f"{wrong} differences, expected 1 to 40"):
                sign_flip_p(np.ones(wrong))


class TestHolm:
    def test_hand_worked(self):
        """In rising order 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, which may not fall again."""
        assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])

    def test_never_above_one(self):
        assert holm([0.6, 0.9]).tolist() == [1, 1]
        assert holm([0.3]).tolist() == [0.3]
        assert len(holm([])) == 0

    @given(p_values, st.sampled_from([0.01, 0.05, 0.5]))
    def test_rejects_as_the_step_down_procedure_does(self, p, level):
        """The smallest p is held against level / m, the next against level / (m - 1), ..."""
        rejected = set()
        for rank, i in enumerate(sorted(range(len(p)), key=p.__getitem__)):
            if not p[i] * (len(p) - rank) < level:
                break
            rejected.add(i)
        assert set(np.flatnonzero(holm(p) < level).tolist()) == rejected

    @given(p_values.filter(len))
    def test_keeps_the_order_and_lies_between_p_and_bonferroni(self, p):
        corrected, p = holm(p), np.array(p)
        assert (np.diff(corrected[np.argsort(p)]) >= 0).all()
        assert (corrected >= p).all()
        assert (corrected <= np.minimum(1, len(p) * p)).all()


class TestVarianceComponents:
    def test_hand_worked(self):
        """Variances 0.01 and 0.09 / 3: t of 2 degrees of freedom has three quarters of the say."""
        t = (stats.t.ppf(0.975, 71) + 3 * stats.t.ppf(0.975, 2)) / 4
        assert VarianceComponents(0.01, 72, 0.09, 3).half_width() == pytest.approx(t * 0.2)

    def test_without_noise_of_the_images_it_is_the_paired_t_test(self):
        differences = np.array([0.01, 0.03, 0.035, 0.02])
        variances, mean = (
            VarianceComponents(0.0, 72, differences.var(ddof=1), 4),
            differences.mean(),
        )
        expected = stats.ttest_1samp(differences, 0)
        assert variances.p(mean) == pytest.approx(expected.pvalue)
        for level in (0.5, 0.95, 0.99):
            low = expected.confidence_interval(level).low
            assert mean - variances.half_width(1 - level) == pytest.approx(low)

    def test_without_noise_of_the_seeds_it_is_the_t_test_of_the_images(self):
        values = np.random.default_rng(0).normal(0.1, 1, 30)
        variances = VarianceComponents(values.var(ddof=1) / 30, 30, 0.0, 3)
        expected = stats.ttest_1samp(values, 0).pvalue
        assert variances.p(values.mean()) == pytest.approx(expected)

    @pytest.mark.parametrize("seeds", [2, 3, 5])
    @pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 2.0, 4.0, 20.0])
    def test_misses_the_truth_as_rarely_as_it_says(self, seeds, noise):
        """Noise of the seeds' mean, in units of that of the images; few seeds are the test."""
        rng, studies, images = np.random.default_rng(0), 20_000, 72
        values = rng.normal(0, noise * seeds**0.5, (studies, seeds))
        image_variance = rng.chisquare(images - 1, studies) / (images - 1)
        variances = VarianceComponents(image_variance, images, values.var(axis=1, ddof=1), seeds)
        missed = np.abs(rng.normal(0, 1, studies) + values.mean(axis=1)) > variances.half_width()
        assert missed.mean() < 0.062

    @pytest.mark.parametrize(("mean", "p"), [(0.0, 1), (0.1, 0), (-0.1, 0)])
    def test_without_any_noise_all_is_certain(self, mean, p):
        variances = VarianceComponents(0.0, 72, 0.0, 3)
        assert (variances.p(mean), variances.half_width()) == (p, 0)

    @given(
        st.floats(1e-6, 1), st.integers(2, 99), st.floats(0, 1), st.integers(2, 9), st.floats(-9, 9)
    )
    def test_p_is_small_where_the_interval_excludes_zero(self, image, images, seed, seeds, mean):
        variances = VarianceComponents(image, images, seed, seeds)
        p = variances.p(mean)
        assert 0 <= p <= 1
        for chance in (0.5, 0.05, 0.001):
            if p != pytest.approx(chance):
                assert (p < chance) == (abs(mean) > variances.half_width(chance))

    def test_several_sizes_at_once(self):
        many = VarianceComponents(
            np.array([0.02, 0.01]), np.array([50, 100]), 0.03, np.array([3, 7])
        )
        each = [VarianceComponents(0.02, 50, 0.03, 3), VarianceComponents(0.01, 100, 0.03, 7)]
        assert many.half_width(0.1) == pytest.approx([float(one.half_width(0.1)) for one in each])
