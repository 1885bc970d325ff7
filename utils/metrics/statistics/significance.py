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
        overlap: test images per training image if every seed trains and tests on other folds, else
            0. Training sets that overlap make seeds alike, which their variance does not show
            (Nadeau and Bengio 2003, equation 8).
    """

    image_variance: float
    images: int
    seed_variance: float
    seeds: int
    overlap: float = 0.0

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
        overlap: float = 0.0,
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
            overlap: see the class.
        """
        seeds = len(measured)
        image_variance = max(0.0, (seeds * of_mean - of_one) / (seeds - 1))
        return cls(image_variance, images, float(measured.var(ddof=1)), seeds, overlap)

    def half_width(self, chance: float) -> float:
        """Half the width of the interval around the mean that misses the true mean this often.

        The standard error is multiplied by the mean of the two sources' quantiles of Student's t,
        weighted by their variances (Cochran and Cox 1950). With few seeds, Welch's and
        Satterthwaite's degrees of freedom would miss up to three times as often as stated: when few
        seeds agree by chance, they give the images' degrees of freedom too much weight.
        """
        of_seeds = self.seed_variance * (1 / self.seeds + self.overlap)
        error = np.sqrt(self.image_variance + of_seeds)
        by_images = self.image_variance * _t_quantile(chance / 2, self.images - 1)
        by_seeds = of_seeds * _t_quantile(chance / 2, self.seed_degrees)
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
        overlapping training sets add is left out, since it is estimated from the seeds too.
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
