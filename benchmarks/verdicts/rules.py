"""Rules that judge a simulated study at a look: the one in use, the one before, and variants."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import optimize, special

from utils.metrics.statistics.significance import VarianceComponents
from yolo4.compare.contrast import CO_OUTCOME, LEVEL, Interval, excludes_zero
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import Estimate
from yolo4.compare.verdict.looks import intervals_at


@dataclass(frozen=True)
class Judged:
    """What a rule says at a look, and whether the study ends there."""

    verdict: str
    interval: Interval
    stops: bool


class Study(Protocol):
    """A simulated study; arm "1" is judged against arm "0"."""

    @property
    def design(self) -> Design:
        """What it declared."""
        ...

    @property
    def arms(self) -> Sequence[str]:
        """Names, the reference first."""
        ...

    def estimate(self, seeds: int, arm: str = "1") -> Estimate:
        """The difference of an arm after so many seeds."""
        ...

    def variance_over_images(self, seeds: int) -> float:
        """The bootstrap variance of the mean over so many seeds."""
        ...

    @property
    def beside(self) -> "Study":
        """The study as its co-outcome sees it."""
        ...


Rule = Callable[[Study, int], Judged]


def now(study: Study, index: int) -> Judged:
    """The rule of `yolo4.compare`."""
    return _look(study, index, study.estimate(study.design.looks[index]))


def co_outcome(study: Study, index: int) -> Judged:
    """The same rule for the co-outcome, if it decided when a study ends."""
    beside = study.beside
    found = beside.estimate(beside.design.looks[index])
    return _look(beside, index, found, CO_OUTCOME.level)


def either(study: Study, index: int) -> Judged:
    """The verdict on mAP, or that on the co-outcome if there is none; mAP ends the study."""
    first, second = now(study, index), co_outcome(study, index)
    verdict = second.verdict if first.verdict == "undecided" else first.verdict
    return replace(first, verdict=verdict)


def before(study: Study, index: int) -> Judged:
    """The rule up to version 8be67f0, which knew no looks.

    The images' variance contained what is in the seeds' variance too, and the images alone had to
    exclude zero as well.
    """
    found = study.estimate(study.design.looks[index])
    twice = study.variance_over_images(len(found.seeds))
    variances = replace(_of(found), image_variance=twice)
    half = variances.half_width(LEVEL)
    interval = (found.mean - half, found.mean + half)
    decided = excludes_zero(interval) and excludes_zero(found.image_interval)
    verdict = ("better" if found.mean > 0 else "worse") if decided else "undecided"
    return Judged(verdict, interval, decided)


def before_at_the_end(study: Study, index: int) -> Judged:
    """The same rule, used once after the last seed."""
    if index < len(study.design.looks) - 1:
        return Judged("undecided", (-np.inf, np.inf), False)
    return before(study, index)


def ignoring_overlap(study: Study, index: int) -> Judged:
    """The rule in use without the correction for training sets that overlap."""
    found = study.estimate(study.design.looks[index])
    return _look(study, index, replace(found, variances=replace(_of(found), folds=0)))


def moderated(study: Study, index: int) -> Judged:
    """The rule in use with the seeds' variances shrunk over arms (Smyth 2004, section 6)."""
    seeds = study.design.looks[index]
    others = [study.estimate(seeds, arm) for arm in study.arms[2:]]
    found, degrees = study.estimate(study.design.looks[index]), seeds - 1
    each = np.array([_of(one).seed_variance for one in (found, *others)])
    prior, prior_degrees = _prior(each, degrees)
    extra = min(prior_degrees, (len(each) - 1) * degrees)
    shrunk = (prior_degrees * prior + degrees * each[0]) / (prior_degrees + degrees)
    variances = _Moderated(**{**vars(_of(found)), "seed_variance": shrunk}, extra_degrees=extra)
    return _look(study, index, replace(found, variances=variances))


def _look(study: Study, index: int, found: Estimate, level: float = LEVEL) -> Judged:
    """The verdict on a single arm; its p values, which take longer, would give the same."""
    at = intervals_at(found, study.design, index, level)
    smallest, verdict = study.design.smallest_difference, "undecided"
    if -smallest < at.sameness[0] and at.sameness[1] < smallest:
        verdict = "practically the same"
    elif excludes_zero(at.difference):
        verdict = "better" if found.mean > 0 else "worse"
    return Judged(verdict, at.difference, verdict != "undecided" or at.futile)


def _of(found: Estimate) -> VarianceComponents:
    assert found.variances is not None
    return found.variances


def _prior(variances: np.ndarray, degrees: int) -> tuple[float, float]:
    """The variance that all are shrunk to, and the degrees of freedom that it is worth."""
    logs = np.log(variances)
    excess = logs.var(ddof=1) - special.polygamma(1, degrees / 2)
    worth = most = 1e4
    if excess > special.polygamma(1, most / 2):
        # It is a tuple only with full_output.
        half: float = optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, most)  # pyright: ignore[reportAssignmentType]
        worth = 2 * half
    shift = special.digamma(worth / 2) - np.log(worth / 2)
    shift -= special.digamma(degrees / 2) - np.log(degrees / 2)
    return float(np.exp(logs.mean() + shift)), worth


@dataclass(frozen=True, kw_only=True)
class _Moderated(VarianceComponents):
    """With what the other arms say of the seeds' variance."""

    extra_degrees: float

    @property
    def seed_degrees(self) -> float:
        return self.seeds - 1 + self.extra_degrees
