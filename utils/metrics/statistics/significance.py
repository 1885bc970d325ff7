"""Is a mean difference more than chance? Intervals over images and seeds, Holm's correction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special, stats

# Information is computed with the seed variance that the true one exceeds with this probability.
_VARIANCE_EXCEEDED = 0.1


def holm(p: ArrayLike) -> np.ndarray:
    """Holm's step-down correction for multiple comparisons (Holm 1979).

    Args:
        p: one p value per comparison.

    Returns:
        float64, in the same order. Rejecting the hypotheses whose corrected p is below a level
        keeps the chance of one or more false rejections at or below that level.
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    corrected = np.empty_like(values)
    corrected[order] = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return np.minimum(corrected, 1.0)


@dataclass(frozen=True)
class VarianceComponents:
    """The variance of a mean difference over seeds from two independent sources, images and seeds.

    Attributes:
        image_variance: variance of the mean that comes from the choice of test images, which all
            seeds share and more seeds do not reduce.
        images: number of these images, at least 2.
        seed_variance: variance of single seeds' values around the mean over all seeds. It contains
            what the same images do to one seed and not to another.
        seeds: number of seeds, at least 2.
        folds: number of folds, which the seeds test in turn and train on the others; 0 if all seeds
            have the same images.
        between_folds: half the mean squared difference between seeds of different folds; it is
            `seed_variance` as long as no fold has been tested twice.
    """

    image_variance: float
    images: int
    seed_variance: float
    seeds: int
    folds: int = 0
    between_folds: float = 0.0

    @property
    def of_seeds(self) -> float:
        """The variance of the mean that comes from the seeds.

        K folds share training images, which makes seeds alike although their variance does not
        show it: Nadeau and Bengio (2003, equation 8) add 1 / (K - 1) of it. After K seeds the folds
        repeat. Seeds of one fold have one training set, and more of them do not reduce what that
        set has by itself. This is 1 / (K - 2) of what the sets share, if each part of the images
        teaches as much as another.
        """
        own = self.seed_variance / self.seeds
        if not self.folds:
            return own
        shared = self.between_folds / (self.folds - 1)
        whole_turns, rest = divmod(self.seeds, self.folds)
        pairs = rest * (whole_turns + 1) ** 2 + (self.folds - rest) * whole_turns**2
        repeated = pairs / self.seeds**2 - 1 / self.seeds
        return own + shared + repeated * shared / max(1, self.folds - 2)

    @property
    def seed_degrees(self) -> float:
        """Degrees of freedom of the seeds' variance."""
        return self.seeds - 1

    @classmethod
    def from_bootstrap(
        cls,
        measured: np.ndarray,
        of_mean: float,
        of_one: float,
        images: int,
        fold_of_seed: Sequence[int] = (),
        folds: int = 0,
    ) -> Self:
        """Separate the two sources by the bootstrap of the seeds' differences.

        With S seeds, the bootstrap variance of the mean is a + c / S and that of single seeds is
        a + c, where c is the part that the images do to each seed by itself. The seeds' own
        variance contains c too, so only a is added to it.

        Args:
            measured: `[S]`, the difference of each seed.
            of_mean: variance over the resamples of the seeds' mean.
            of_one: variance over the resamples of a single seed's difference, on average.
            images: number of test images.
            fold_of_seed: `[S]`, the fold that each seed tests; nothing without folds.
            folds: see the class.
        """
        seeds = len(measured)
        image_variance = max(0.0, (seeds * of_mean - of_one) / (seeds - 1))
        seed_variance = float(measured.var(ddof=1))
        of = np.asarray(fold_of_seed)
        apart = of[:, None] != of if folds else np.zeros(0, bool)
        between = seed_variance
        if apart.any():
            between = float(((measured[:, None] - measured) ** 2)[apart].mean() / 2)
        return cls(image_variance, images, seed_variance, seeds, folds, between)

    def half_width(self, chance: float) -> float:
        """Half the width of the interval around the mean that misses the true mean this often.

        The standard error is multiplied by the mean of the two sources' quantiles of Student's t,
        weighted by their variances (Cochran and Cox 1950). With few seeds, Welch's and
        Satterthwaite's degrees of freedom would miss up to three times as often as stated: when few
        seeds agree by chance, they give the images' degrees of freedom too much weight.
        """
        error = np.sqrt(self.image_variance + self.of_seeds)
        by_images = self.image_variance * _t_quantile(chance / 2, self.images - 1)
        by_seeds = self.of_seeds * _t_quantile(chance / 2, self.seed_degrees)
        return float((by_images + by_seeds) / error) if error > 0 else 0.0

    def p(self, mean: float) -> float:
        """Two-sided p: the chance for which the interval around this mean ends at 0.

        It is 0 below 1e-30.
        """
        least = np.log(1e-30)

        def excess(log_chance: float) -> float:
            return self.half_width(np.exp(log_chance)) - abs(mean)

        if mean == 0:
            return 1.0
        if excess(least) <= 0:
            return 0.0
        # It is a tuple only with full_output.
        root: float = optimize.brentq(excess, least, 0.0)  # pyright: ignore[reportAssignmentType]
        return float(np.exp(root))

    def tail(self, distance: float) -> float:
        """One-sided p: the probability that the estimate is this far above the truth, or more."""
        half = self.p(distance) / 2
        return half if distance >= 0 else 1 - half

    def shares(self, looks: Sequence[int]) -> np.ndarray:
        """The information of studies with so many seeds, as a share of the last one's.

        Information is the inverse of the variance of the mean. Few seeds may agree by chance: so
        that they do not claim too much, their variance is replaced by its upper 90% limit. What
        overlapping training sets add is left out: then looks seem to tell more that is new, which
        makes them stricter.
        """
        least = float(special.chdtri(self.seed_degrees, 1 - _VARIANCE_EXCEEDED)) / self.seed_degrees
        upper = self.seed_variance / least
        variances = [self.image_variance + upper / seeds for seeds in looks]
        if variances[-1] == 0:
            return np.ones(len(looks))
        return variances[-1] / np.array(variances)

    def chance_of_a_decision(self, mean: float, seeds: int, beyond: float, within: float) -> float:
        """The probability that the mean over more seeds leaves no doubt, if this is all we know.

        The images stay the same, so that only the seeds' noise moves the mean. Its variance is
        estimated: the coming mean has a t distribution around this one.

        Args:
            mean: of the seeds so far.
            seeds: how many there will be.
            beyond: a mean farther from 0 decides.
            within: a mean nearer to 0 decides too; negative if none does.
        """
        spread = np.sqrt(self.seed_variance * (1 / self.seeds - 1 / seeds))
        if spread == 0:
            return float(abs(mean) > beyond or abs(mean) < within)
        coming = stats.t(self.seed_degrees, mean, spread)
        nearer = coming.cdf(within) - coming.cdf(-within) if within > 0 else 0.0
        return float(min(1.0, coming.sf(beyond) + coming.cdf(-beyond) + nearer))


def _t_quantile(tail: float, degrees: float) -> float:
    """What Student's t exceeds with this probability."""
    return -float(special.stdtrit(degrees, tail))
