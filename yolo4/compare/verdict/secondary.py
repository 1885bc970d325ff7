"""Secondary outcomes: all that is compared besides mAP, with intervals that hold together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import numpy as np

from utils.metrics.calibration import ScoreChoice, weighted_ece
from utils.metrics.coco_map import match_coco
from utils.metrics.statistics.bootstrap import (
    draw_weights,
    mean_over_classes,
    weighted_ap,
    weighted_coco_ap,
)
from utils.metrics.voc_map import VocMatches, match_voc, pooled, weighted_f1
from utils.records import Detections
from yolo4.compare.contrast import CO_OUTCOME, LEVEL, Contrast, Interval
from yolo4.compare.design import Design
from yolo4.compare.study_files import MeasuredImages
from yolo4.compare.verdict.estimate import Estimate, estimate
from yolo4.compare.verdict.looks import interval_at

POOLED = CO_OUTCOME.name
F1 = "F1 at validation's threshold"
COCO_AP = "AP, IoU 0.50 to 0.95"
COCO_AP75 = "AP75, IoU 0.75"
ECE = "calibration error"
SCALED_ECE = "calibration error after temperature"
LOWER_IS_BETTER = (ECE, SCALED_ECE)

# Variances take fewer resamples than the limits of an interval.
_RESAMPLES = 400
# Limits the memory: elements of one intermediate array.
_ELEMENTS_AT_ONCE = 1 << 22
_AT_075 = 5  # among COCO's IoU thresholds


class Finished(Protocol):
    """A finished run."""

    @property
    def images(self) -> MeasuredImages:
        """What it was measured on."""
        ...

    @property
    def detections(self) -> list[Detections]:
        """In each of these images."""
        ...

    @property
    def choice(self) -> ScoreChoice:
        """What validation images have chosen."""
        ...


@dataclass(frozen=True)
class Secondary:
    """An arm minus the reference in a secondary outcome, as fractions.

    Attributes:
        arm: name of the arm.
        reference: name of the arm it is compared with.
        outcome: name of the outcome.
        mean: of the seeds' differences.
        interval: with 95% confidence all intervals of the study's secondary outcomes hold together.
        seeds: their number.
    """

    arm: str
    reference: str
    outcome: str
    mean: float
    interval: Interval
    seeds: int

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self) | {"lower_is_better": self.outcome in LOWER_IS_BETTER}


def sidak(level: float, intervals: int) -> float:
    """The level of each of several intervals that miss together with at most this probability.

    Whatever their correlation, intervals around normal means hold together at least as often as if
    they were independent (Šidák 1967).
    """
    return float(-np.expm1(np.log1p(-level) / intervals))


def secondary_outcomes(
    runs: Mapping[str, Mapping[int, Finished]],
    contrasts: Sequence[Contrast],
    design: Design,
    seed: int,
) -> list[Secondary]:
    """All outcomes of all arms but the co-outcome, with the seeds of their verdicts.

    Args:
        runs: the finished runs by arm and seed.
        contrasts: of the arms; those with fewer than two seeds have no intervals.
        design: what the study declared.
        seed: of the resamples.

    Returns:
        By arm, then by outcome. Outcomes that a run lacks are left out: classes of which a fold has
        objects in fewer than two images, and what depends on a threshold that was not stored.
    """
    judged = [contrast for contrast in contrasts if len(contrast.seeds) > 1]
    used = {(arm, s) for c in judged for arm in (c.arm, c.reference) for s in c.seeds}
    rows = {(arm, s): _measure(runs[arm][s], s % (design.folds or 1), seed) for arm, s in used}
    found = [
        (contrast, outcome, result)
        for contrast in judged
        for outcome, result in _estimates(contrast, rows, design.folds)
        if outcome != design.co_outcome
    ]
    level = sidak(LEVEL, max(1, len(found)))
    return [
        Secondary(
            contrast.arm,
            contrast.reference,
            outcome,
            result.mean,
            _interval(result, contrast, design, level),
            len(result.seeds),
        )
        for contrast, outcome, result in found
    ]


@dataclass(frozen=True)
class _Row:
    """An outcome of a run: measured, then on each resample, and how many images bear on it."""

    values: np.ndarray
    images: int


def _estimates(
    contrast: Contrast, rows: Mapping[tuple[str, int], Mapping[str, _Row]], folds: int
) -> list[tuple[str, Estimate]]:
    both = (contrast.arm, contrast.reference)
    every = [rows[arm, seed] for arm in both for seed in contrast.seeds]
    common = [name for name in every[0] if all(name in row for row in every)]
    found = []
    for name in common:
        mine, theirs = ({s: rows[arm, s][name].values for s in contrast.seeds} for arm in both)
        of_folds = {s % (folds or 1): rows[contrast.arm, s][name].images for s in contrast.seeds}
        images = sum(of_folds.values())
        found.append((name, estimate(mine, theirs, contrast.seeds, images, folds)))
    return found


def _interval(found: Estimate, contrast: Contrast, design: Design, level: float) -> Interval:
    """The interval at the look that gave the verdict; before the first one, of a single look."""
    if not contrast.looks:
        return interval_at(found, replace(design, looks=(len(found.seeds),)), 0, level)
    coming = contrast.next_look
    reached = [number for number in design.looks if coming is None or number < coming]
    lost = reached[-1] - contrast.looks[-1].seeds
    later = (number - lost for number in design.looks[len(reached) :])
    looks = (*(look.seeds for look in contrast.looks), *later)
    return interval_at(found, replace(design, looks=looks), len(contrast.looks) - 1, level)


def _measure(run: Finished, fold: int, seed: int) -> dict[str, _Row]:
    """All outcomes of a run. Runs on the same images share the resamples."""
    records, names = run.images.records, run.images.class_names
    matches = match_voc(run.detections, records, names)
    by_iou = match_coco(run.detections, records, names)
    drawn = draw_weights(len(records), _RESAMPLES, np.random.default_rng([seed, fold]))
    weights = np.concatenate([np.ones((len(records), 1)), drawn], axis=1)
    rows, columns = max(len(records), int(matches.num_gt.sum())), weights.shape[1]
    pieces = min(-(-rows * columns // _ELEMENTS_AT_ONCE), columns)
    parts = [
        _scores(matches, by_iou, run, part) for part in np.array_split(weights, pieces, axis=1)
    ]
    of_class = dict(zip(map(_class_outcome, names), matches.num_gt.T, strict=True))
    found = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        images = int(np.count_nonzero(of_class[name])) if name in of_class else len(records)
        if images > 1 and not np.isnan(values[0]):
            found[name] = _Row(values, images)
    return found


def _scores(
    matches: VocMatches, by_iou: Sequence[VocMatches], run: Finished, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """The outcomes by name, each `[R]`."""
    scores: dict[str, np.ndarray] = {}
    names = run.images.class_names
    if len(names) > 1:
        scores[POOLED] = weighted_ap(pooled(matches), weights)[0]
    if run.choice.threshold is not None:
        scores[F1] = weighted_f1(matches, run.choice.threshold, weights)
    coco = [mean_over_classes(weighted_coco_ap(each, weights)) for each in by_iou]
    scores |= {COCO_AP: np.mean(coco, axis=0), COCO_AP75: coco[_AT_075]}
    scores[ECE] = weighted_ece(matches, weights)
    if run.choice.temperature is not None:
        scores[SCALED_ECE] = weighted_ece(matches, weights, run.choice.temperature)
    if len(names) > 1:
        scores |= dict(zip(map(_class_outcome, names), weighted_ap(matches, weights), strict=True))
    return scores


def _class_outcome(name: str) -> str:
    return f"AP of {name}"
