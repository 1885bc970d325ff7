"""Looks at a study that still grows: the share of the error that each may spend.

If a study is tested at each of several looks, chance has several occasions. Lan and DeMets (1983)
let the probability of a false rejection grow with the information: it reaches the level at the last
look. The statistic of a look is normal with the information as its time, as if it were a Brownian
motion (Jennison and Turnbull 2000, chapters 7 and 11).
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy import optimize, special, stats

# Looks closer than this are taken for further apart, which makes them stricter: the quadrature
# needs steps that are not much narrower than the distance of its nodes.
_LEAST_STEP = 0.004
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)
# In standard deviations; below it, a path has a negligible chance to reach a boundary.
_LOWEST = -8.0

# From the share of the information, up to 1, and the one-sided level to the error spent so far.
Spending = Callable[[np.ndarray, float], np.ndarray]


def pocock_like(share: np.ndarray, level: float) -> np.ndarray:
    """Lan and DeMets 1983: all looks are about equally strict, as in Pocock's design."""
    return level * np.log1p((np.e - 1) * share)


def obrien_fleming_like(share: np.ndarray, level: float) -> np.ndarray:
    """Lan and DeMets 1983: early looks are very strict and the last hardly, as O'Brien's."""
    return 2 * stats.norm.sf(stats.norm.isf(level / 2) / np.sqrt(share))


def nominal_levels(shares: Sequence[float], level: float, spending: Spending) -> np.ndarray:
    """The one-sided level at which each look tests, so that all together keep `level`.

    Args:
        shares: of the information at the last look that each look has, ascending, the last is 1.
        level: one-sided probability of a rejection at any look if there is no difference.
        spending: how it is spread over the looks.

    Returns:
        float64, one for each look.
    """
    times = _spread(shares)
    spent = np.diff(spending(times, level), prepend=0.0)
    levels = np.empty(len(times))
    paths, mass = np.zeros(1), np.ones(1)
    for look, (time, step) in enumerate(zip(times, np.diff(times, prepend=0.0), strict=True)):
        # `paths` are the values of the motion at the last look, `mass` their probability.
        bound = _bound(paths, mass, np.sqrt(step), spent[look])
        levels[look] = special.ndtr(-bound / np.sqrt(time))
        lowest = _LOWEST * np.sqrt(time)
        half = max(bound - lowest, 0.0) / 2
        nodes = lowest + half * (1 + _NODES)
        arriving = np.exp(-0.5 * ((nodes[:, None] - paths) / np.sqrt(step)) ** 2) @ mass
        paths, mass = nodes, half * _WEIGHTS * arriving / np.sqrt(2 * np.pi * step)
    return levels


def adjusted_level(p: float, look: int, shares: Sequence[float], spending: Spending) -> float:
    """The smallest one-sided level of the whole study that rejects at this look; 1 above 0.5.

    Args:
        p: one-sided p value of the look by itself.
        look: its index.
        shares: as in `nominal_levels`.
        spending: as in `nominal_levels`.
    """

    def excess(log_level: float) -> float:
        level = nominal_levels(shares, np.exp(log_level), spending)[look]
        return float(np.log(max(level, 1e-300)) - np.log(p))

    highest = np.log(0.5)
    if p < 1e-30:
        return 0.0
    if np.log(p) >= highest or excess(highest) <= 0:
        return 1.0
    # It is a tuple only with full_output.
    root: float = optimize.brentq(excess, np.log(p) - 1e-6, highest, xtol=1e-6)  # pyright: ignore[reportAssignmentType]
    return float(np.exp(root))


def _spread(shares: Sequence[float]) -> np.ndarray:
    """The shares, at least `_LEAST_STEP` apart; the last one stays."""
    steps = np.arange(len(shares)) * _LEAST_STEP
    return np.minimum.accumulate((np.asarray(shares) - steps)[::-1])[::-1] + steps


def _bound(paths: np.ndarray, mass: np.ndarray, deviation: float, spent: float) -> float:
    """The boundary that paths cross in the next step with probability `spent`."""

    def excess(bound: float) -> float:
        return float(special.ndtr((paths - bound) / deviation) @ mass) - spent

    root: float = optimize.brentq(excess, -9.0, 40.0)  # pyright: ignore[reportAssignmentType]
    return root
