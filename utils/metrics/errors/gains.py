"""What each kind of error costs: the rise of mean AP if all of that kind were fixed.

As in TIDE (Bolya et al. 2020, section 2.3), each kind is fixed alone. A `class` or `localization`
error becomes a true positive if it is the best one on an object that is not found, and disappears
otherwise; `both`, `duplicate` and `background` disappear; `missed` objects no longer count. The
rises do not add up: errors hide one another.
"""

import numpy as np

from utils.boxes import area
from utils.metrics.coco_map import size_of
from utils.metrics.errors.outcomes import Outcomes
from utils.metrics.pairs import rows_by_label
from utils.metrics.score_curve import ScoreCurve, mean_measured

ERRORS = ("localization", "class", "both", "duplicate", "background", "missed")


def error_gains(outcomes: Outcomes, size: int | None = None) -> dict[str, float]:
    """The rise of mean AP at IoU 0.5, a fraction of 1, for each of `ERRORS`.

    A class whose objects are all missed has AP 1 if they no longer count.

    Args:
        outcomes: of all images.
        size: index into `utils.metrics.coco_map.SIZES`: only errors on objects of this size are
            fixed. A detection that is on no object counts by its own size.
    """
    order = np.argsort(-outcomes.score, kind="stable")
    of_size = np.ones(len(order), bool) if size is None else size_of(outcomes.areas) == size
    before = _mean_ap(outcomes, order, outcomes.label, outcomes.kind == "right", outcomes.objects)
    gains = {}
    for kind in ERRORS[:-1]:
        errors = (outcomes.kind == kind) & of_size
        fixed = _fixable(outcomes, errors) if kind in ERRORS[:2] else np.zeros(0, np.int64)
        label, is_tp = outcomes.label.copy(), outcomes.kind == "right"
        label[fixed], is_tp[fixed] = outcomes.object_label[outcomes.object[fixed]], True
        stays = ~errors
        stays[fixed] = True
        kept = order[stays[order]]
        gains[kind] = _mean_ap(outcomes, kept, label, is_tp, outcomes.objects) - before
    missed = outcomes.missed(np.finfo(float).min)
    if size is not None:
        missed &= size_of(area(outcomes.object_boxes)) == size
    left = outcomes.objects - np.bincount(
        outcomes.object_label[missed], minlength=outcomes.class_count
    )
    after = _mean_ap(outcomes, order, outcomes.label, outcomes.kind == "right", left)
    return gains | {"missed": after - before}


def _fixable(outcomes: Outcomes, errors: np.ndarray) -> np.ndarray:
    """Indices of the errors that become true positives: the best on each object not found."""
    rows = np.flatnonzero(errors)
    objects = outcomes.object[rows]
    rows = rows[~np.isfinite(outcomes.found[objects]) & ~outcomes.difficult[objects]]
    return rows[np.unique(outcomes.object[rows], return_index=True)[1]]


def _mean_ap(
    outcomes: Outcomes, rows: np.ndarray, label: np.ndarray, is_tp: np.ndarray, objects: np.ndarray
) -> float:
    """Mean AP of the detections `rows`, best first, over the classes that have objects at first."""
    rows = rows[outcomes.kind[rows] != "ignored"]
    by_class = rows_by_label(label[rows], outcomes.class_count)
    ap = [
        ScoreCurve(outcomes.score[rows[own]], is_tp[rows[own]], int(count)).average_precision
        for own, count in zip(by_class, objects, strict=True)
    ]
    had_objects = outcomes.objects > 0
    return mean_measured(np.where((objects == 0) & had_objects, 1.0, ap))
