"""The looks at a study: after how many seeds which verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from utils.metrics.statistics.sequential import (
    adjusted_level,
    nominal_levels,
    obrien_fleming_like,
    pocock_like,
)
from utils.metrics.statistics.significance import VarianceComponents, holm
from yolo4.compare.contrast import LEVEL, Interval, Look, Verdict
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import Estimate

# A study is futile if its last look decides with less than this probability.
LEAST_HOPE = 0.1
# A difference is worth finding early. That there is none can only be seen late: an early look would
# spend error on a verdict that it cannot reach.
_FOR_A_DIFFERENCE = pocock_like
_FOR_SAMENESS = obrien_fleming_like


@dataclass(frozen=True)
class Intervals:
    """The two intervals of a look, and whether the last look would hardly decide."""

    difference: Interval
    sameness: Interval
    futile: bool


def intervals_at(estimate: Estimate, design: Design, index: int, level: float = LEVEL) -> Intervals:
    """The intervals whose places give the verdict on a single arm; see `look_at`."""
    variances, mean = cast(VarianceComponents, estimate.variances), estimate.mean
    shares = variances.shares(design.looks).tolist()
    different = nominal_levels(shares, level / 2, _FOR_A_DIFFERENCE)
    same = nominal_levels(shares, level, _FOR_SAMENESS)
    last, hope = design.looks[-1], 1.0
    if len(estimate.seeds) < last:
        end = replace(variances, seeds=last)
        within = design.smallest_difference - end.half_width(2 * same[-1])
        hope = variances.chance_of_a_decision(mean, last, end.half_width(2 * different[-1]), within)
    return Intervals(
        _around(mean, variances.half_width(2 * different[index])),
        _around(mean, variances.half_width(2 * same[index])),
        hope < LEAST_HOPE,
    )


def interval_at(estimate: Estimate, design: Design, index: int, level: float) -> Interval:
    """The interval that misses the true difference at any of the looks with this probability.

    Args:
        estimate: from as many seeds as the look has, at least two.
        design: the planned looks.
        index: of the look.
        level: two-sided.
    """
    variances = cast(VarianceComponents, estimate.variances)
    nominal = level_at(variances, design.looks, index, level)
    return _around(estimate.mean, variances.half_width(nominal))


def level_at(
    variances: VarianceComponents, looks: Sequence[int], index: int, level: float
) -> float:
    """The two-sided level at which a look tests for a difference, so that all keep `level`."""
    shares = variances.shares(looks).tolist()
    return float(2 * nominal_levels(shares, level / 2, _FOR_A_DIFFERENCE)[index])


def look_at(estimate: Estimate, design: Design, index: int, level: float = LEVEL) -> Look:
    """Judge an arm at one of the planned looks, as if it were the only one.

    Two tests share the data: of a difference, two-sided, and of practical sameness, two one-sided
    tests (Schuirmann 1987). Each keeps its error at `level` over all looks.

    Args:
        estimate: from as many seeds as this look has, at least two.
        design: the planned looks, and what is practically the same.
        index: of the look.
        level: the error that a verdict may have.
    """
    variances, mean = cast(VarianceComponents, estimate.variances), estimate.mean
    shares = variances.shares(design.looks).tolist()
    p = 2 * adjusted_level(variances.p(mean) / 2, index, shares, _FOR_A_DIFFERENCE)
    from_the_limit = variances.tail(design.smallest_difference - abs(mean))
    p_same = adjusted_level(from_the_limit, index, shares, _FOR_SAMENESS)
    found = intervals_at(estimate, design, index, level)
    look = Look(len(estimate.seeds), mean, found.difference, found.sameness, min(1.0, p), p_same)
    return corrected(replace(look, futile=found.futile), look.p, look.p_same, level)


def correct_for_arms(looks: Sequence[Look], comparisons: int, level: float = LEVEL) -> list[Look]:
    """Holm's correction of the looks at several arms after as many seeds.

    Args:
        looks: one for each arm that has got there.
        comparisons: number of all arms that are compared; those not there yet count as p = 1.
        level: the error that verdicts may have.
    """
    missing = [1.0] * (comparisons - len(looks))
    p = holm([*(look.p for look in looks), *missing]).tolist()
    p_same = holm([*(look.p_same for look in looks), *missing]).tolist()
    return [corrected(*one, level) for one in zip(looks, p, p_same, strict=False)]


def corrected(look: Look, p_holm: float, p_same_holm: float, level: float = LEVEL) -> Look:
    """The look with these p values, and the verdict that they give."""
    verdict: Verdict = "undecided"
    if p_same_holm < level:
        verdict = "practically the same"
    elif p_holm < level:
        verdict = "better" if look.mean > 0 else "worse"
    futile = look.futile and verdict == "undecided"
    return replace(look, p_holm=p_holm, p_same_holm=p_same_holm, verdict=verdict, futile=futile)


def _around(mean: float, half: float) -> Interval:
    return mean - half, mean + half
