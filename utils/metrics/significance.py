"""Is a mean difference more than chance? Exact sign flips, t intervals, Holm's correction."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

# The exact test lists the sums of each half of the differences: 2^20 sums at most.
MOST_PAIRS = 40


def sign_flip_p(differences: ArrayLike) -> float:
    """Exact two-sided paired permutation test of the mean.

    If the two members of a pair were exchangeable, every pattern of signs would be equally likely.

    Args:
        differences: one per pair, 1 to `MOST_PAIRS` of them.

    Returns:
        Share of all sign patterns whose mean is at least as far from 0 as the observed one.

    Raises:
        ValueError: there are no differences, or too many.
    """
    values = np.abs(np.asarray(differences, np.float64))
    if not 1 <= len(values) <= MOST_PAIRS:
        raise ValueError(f"{len(values)} differences, expected 1 to {MOST_PAIRS}")
    # Equal sums differ by rounding, and a tie counts as equally extreme.
    extreme = abs(float(np.sum(differences))) - 1e-12 * values.sum()
    if extreme <= 0:
        return 1.0
    half = len(values) // 2
    first, second = _signed_sums(values[:half]), np.sort(_signed_sums(values[half:]))
    # By symmetry, as many patterns reach -extreme as reach +extreme.
    reaching = len(second) - np.searchsorted(second, extreme - first, side="left")
    return float(2 * reaching.sum() / (len(first) * len(second)))


def least_sign_flip_p(pairs: int) -> float:
    """The smallest p that `sign_flip_p` can return for this number of pairs."""
    return 2.0 / 2.0**pairs


def _signed_sums(values: np.ndarray) -> np.ndarray:
    """The sums under all `2^n` patterns of signs."""
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums - value, sums + value])
    return sums


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
    """The variance of a mean difference from two independent sources, images and seeds.

    Attributes:
        image_variance: variance of the mean that comes from the choice of test images.
        images: number of these images, at least 2.
        seed_variance: variance of single seeds' values around the mean over all seeds.
        seeds: number of seeds, at least 2.

    `half_width` also accepts arrays, for several sizes of study at once.
    """

    image_variance: float | np.ndarray
    images: int | np.ndarray
    seed_variance: float
    seeds: int | np.ndarray

    def half_width(self, chance: float = 0.05) -> np.ndarray:
        """Half the width of the interval around the mean that misses the true mean this often.

        The standard error is multiplied by the mean of the two sources' quantiles of Student's t,
        weighted by their variances (Cochran and Cox 1950). With few seeds, Welch's and
        Satterthwaite's degrees of freedom would miss up to three times as often as stated: when few
        seeds agree by chance, they give the images' degrees of freedom too much weight.
        """
        of_seeds = self.seed_variance / np.asarray(self.seeds)
        error = np.sqrt(self.image_variance + of_seeds)
        by_images = self.image_variance * stats.t.isf(chance / 2, np.asarray(self.images) - 1)
        by_seeds = of_seeds * stats.t.isf(chance / 2, np.asarray(self.seeds) - 1)
        return np.divide(by_images + by_seeds, error, out=np.zeros_like(error), where=error > 0)

    def p(self, mean: float) -> float:
        """Two-sided p: the chance for which the interval around this mean ends at 0.

        It is 0 below 1e-30.
        """
        least = np.log(1e-30)

        def excess(log_chance: float) -> float:
            return float(self.half_width(np.exp(log_chance))) - abs(mean)

        if mean == 0:
            return 1.0
        if excess(least) <= 0:
            return 0.0
        # It is a tuple only with full_output.
        root: float = optimize.brentq(excess, least, 0.0)  # pyright: ignore[reportAssignmentType]
        return float(np.exp(root))
