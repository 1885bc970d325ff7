"""Holm, and the interval over images and seeds, against independent computations."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from utils.metrics.statistics.significance import VarianceComponents, holm

pytestmark = pytest.mark.quick

p_values = st.lists(st.floats(0, 1), max_size=6)


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


def separated(effects, weights):
    """From the mean over images of each seed's effects, unweighted and in resamples."""
    drawn = effects @ weights / effects.shape[1]
    of_mean, of_one = drawn.mean(axis=0).var(), drawn.var(axis=1).mean()
    return VarianceComponents.from_bootstrap(effects.mean(axis=1), of_mean, of_one, 100)


class TestFromTheBootstrap:
    rng = np.random.default_rng(0)
    weights = rng.multinomial(100, np.full(100, 0.01), 20_000).T

    def test_seeds_that_agree_leave_the_images_alone(self):
        effects = np.repeat(self.rng.normal(0, 1, (1, 100)), 4, axis=0)
        variances = separated(effects, self.weights)
        assert variances.image_variance == pytest.approx(effects[0].var() / 100, rel=0.03)
        assert variances.seed_variance == pytest.approx(0, abs=1e-12)

    def test_what_single_seeds_make_of_the_images_is_not_counted_as_the_images(self):
        """Effects of images, of seeds, and of both; the parts are estimated without bias."""
        found = []
        for _ in range(200):
            effects = self.rng.normal(0, 1, (1, 100)) + self.rng.normal(0, 2, (3, 100))
            effects += self.rng.normal(0, 0.3, (3, 1))
            found.append(separated(effects, self.weights))
        image, seed = 1 / 100, 0.3**2 + 4 / 100
        errors = [np.std([getattr(v, name) for v in found]) / 200**0.5 for name in
                  ("image_variance", "seed_variance")]  # fmt: skip
        # 0.1% for the bootstrap's divisor, n in place of n - 1, and 4 standard errors.
        assert np.mean([v.image_variance for v in found]) == pytest.approx(image, abs=4 * errors[0])
        assert np.mean([v.seed_variance for v in found]) == pytest.approx(seed, abs=4 * errors[1])

    def test_it_is_never_negative(self):
        effects = self.rng.normal(0, 1, (2, 1, 100)) * [[[1]], [[-1]]]
        effects = np.concatenate([effects[0], -effects[0]])
        variances = separated(effects, self.weights)
        assert variances.image_variance == 0


class TestVarianceComponents:
    def test_hand_worked(self):
        """Variances 0.01 and 0.09 / 3: t of 2 degrees of freedom has three quarters of the say."""
        t = (stats.t.ppf(0.975, 71) + 3 * stats.t.ppf(0.975, 2)) / 4
        assert VarianceComponents(0.01, 72, 0.09, 3).half_width(0.05) == pytest.approx(t * 0.2)

    def test_without_noise_of_the_images_it_is_the_paired_t_test(self):
        differences = np.array([0.01, 0.03, 0.035, 0.02])
        variances = VarianceComponents(0.0, 72, differences.var(ddof=1), 4)
        mean = differences.mean()
        expected = stats.ttest_1samp(differences, 0)
        assert variances.p(mean) == pytest.approx(expected.pvalue)
        for level in (0.5, 0.95, 0.99):
            low = expected.confidence_interval(level).low
            assert mean - variances.half_width(1 - level) == pytest.approx(low)
        for limit in (0.0, 0.02, 0.03, 0.05):
            greater = stats.ttest_1samp(differences, limit, alternative="greater").pvalue
            assert variances.tail(mean - limit) == pytest.approx(greater)

    def test_without_noise_of_the_seeds_it_is_the_t_test_of_the_images(self):
        values = np.random.default_rng(0).normal(0.1, 1, 30)
        variances = VarianceComponents(values.var(ddof=1) / 30, 30, 0.0, 3)
        expected = stats.ttest_1samp(values, 0).pvalue
        assert variances.p(values.mean()) == pytest.approx(expected)

    def test_overlapping_training_sets_by_hand(self):
        """Nadeau and Bengio's corrected resampled t: 1 / 10 + 1 / 4 in place of 1 / 10."""
        variances = VarianceComponents(0.0, 72, 0.04, 4, 5, between_folds=0.04)
        expected = stats.t.ppf(0.975, 3) * (0.04 * (1 / 4 + 1 / 4)) ** 0.5
        assert variances.half_width(0.05) == pytest.approx(expected)

    def test_folds_that_repeat_by_hand(self):
        """Seeds 0 and 3 test one of three folds: 1 / 4 becomes (2^2 + 1 + 1) / 4^2 for its own."""
        values = np.array([1.0, 2.0, 4.0, 3.0])
        variances = VarianceComponents.from_bootstrap(values, 0.0, 0.0, 90, [0, 1, 2, 0], 3)
        between = np.mean([1, 9, 4, 1, 1]) / 2  # of all pairs but the first and last seed
        assert variances.between_folds == pytest.approx(between)
        expected = values.var(ddof=1) / 4 + between / 2 + (6 / 16 - 1 / 4) * between / 2
        assert variances.of_seeds == pytest.approx(expected)

    @pytest.mark.parametrize("seeds", [3, 5, 8, 12])
    def test_the_noise_of_folds_is_estimated_without_bias(self, seeds):
        """Each part of five teaches something, and a fold lacks one: rho is 1 / 5, as assumed."""
        rng, studies, folds = np.random.default_rng(seeds), 4000, 5
        fold = np.arange(seeds) % folds
        taught = rng.normal(0, (4 / 3) ** 0.5, (studies, folds))
        lessons = (taught.sum(axis=1, keepdims=True) - taught)[:, fold] / 4
        # A lesson has variance 1 / 3, of which 3 / 4 are shared: with 11 / 12 of others, a fifth.
        values = lessons + rng.normal(0, (11 / 12) ** 0.5, (studies, seeds))
        found = [
            VarianceComponents.from_bootstrap(each, 0.0, 0.0, 90, fold, folds).of_seeds
            for each in values
        ]
        alike = np.square(np.bincount(fold)).sum() / seeds**2  # pairs of seeds of one fold
        truth = 1 / 4 + alike / 12 + 11 / 12 / seeds
        # The seeds' variance counts pairs of one fold too: at most 1 / 12 (1 / 5) / 11 too low.
        error = np.std(found) / studies**0.5
        assert np.mean(found) == pytest.approx(truth, abs=4 * error + 1 / 12 / 5 / 11)

    @pytest.mark.parametrize("seeds", [2, 3, 5])
    @pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 2.0, 4.0, 20.0])
    def test_misses_the_truth_as_rarely_as_it_says(self, seeds, noise):
        """Noise of the seeds' mean, in units of that of the images; few seeds are the test."""
        rng, studies, images = np.random.default_rng(0), 4000, 72
        values = rng.normal(0, noise * seeds**0.5, (studies, seeds))
        image_variance = rng.chisquare(images - 1, studies) / (images - 1)
        half = [
            VarianceComponents(a, images, b, seeds).half_width(0.05)
            for a, b in zip(image_variance, values.var(axis=1, ddof=1), strict=True)
        ]
        missed = np.abs(rng.normal(0, 1, studies) + values.mean(axis=1)) > half
        assert missed.mean() < 0.062

    @pytest.mark.parametrize(("mean", "p"), [(0.0, 1), (0.1, 0), (-0.1, 0)])
    def test_without_any_noise_all_is_certain(self, mean, p):
        variances = VarianceComponents(0.0, 72, 0.0, 3)
        assert (variances.p(mean), variances.half_width(0.05)) == (p, 0)
        assert variances.shares((3, 5)).tolist() == [1, 1]

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
        assert variances.tail(mean) + variances.tail(-mean) == pytest.approx(1)


class TestInformation:
    def test_seeds_alone_count(self):
        variances = VarianceComponents(0.0, 72, 0.09, 5)
        assert variances.shares((3, 5, 8, 12)) == pytest.approx([3 / 12, 5 / 12, 8 / 12, 1])

    def test_images_alone_have_told_all_at_once(self):
        variances = VarianceComponents(0.01, 72, 0.0, 5)
        assert variances.shares((3, 5, 8, 12)) == pytest.approx([1, 1, 1, 1])

    def test_the_seeds_variance_is_an_upper_limit(self):
        """A true variance of 1 exceeds it in a tenth of studies."""
        rng = np.random.default_rng(0)
        values = rng.normal(0, 1, (4000, 4)).var(axis=1, ddof=1)
        # With images' variance 1 and 2 seeds of 4, the share is (1 + v / 4) / (1 + v / 2).
        limit = (1 + 1 / 4) / (1 + 1 / 2)
        shares = [VarianceComponents(1.0, 72, v, 4).shares((2, 4))[0] for v in values]
        assert np.mean(np.array(shares) > limit) == pytest.approx(0.1, abs=4 * 0.005)


class TestChanceOfADecision:
    @pytest.mark.parametrize("within", [0.5, -1.0])
    @pytest.mark.parametrize("mean", [0.0, 0.4, -1.5])
    def test_against_simulated_futures(self, mean, within):
        """Posterior draws of variance and mean, and the coming seeds given these."""
        rng, futures, variance, seeds, last = np.random.default_rng(0), 200_000, 2.0, 4, 9
        true = variance * (seeds - 1) / rng.chisquare(seeds - 1, futures)
        center = rng.normal(mean, np.sqrt(true / seeds))
        rest = rng.normal(center, np.sqrt(true / (last - seeds)))
        final = (seeds * mean + (last - seeds) * rest) / last
        decided = (np.abs(final) > 1.2) | (np.abs(final) < within)
        chance = VarianceComponents(0.3, 72, variance, seeds).chance_of_a_decision(
            mean, last, 1.2, within
        )
        assert chance == pytest.approx(decided.mean(), abs=4 * (0.25 / futures) ** 0.5)

    def test_without_noise_of_the_seeds_nothing_will_change(self):
        variances = VarianceComponents(0.3, 72, 0.0, 4)
        assert variances.chance_of_a_decision(1.3, 9, 1.2, 0.5) == 1
        assert variances.chance_of_a_decision(0.8, 9, 1.2, 0.5) == 0
        assert replace(variances, seeds=5).chance_of_a_decision(0.4, 9, 1.2, 0.5) == 1
