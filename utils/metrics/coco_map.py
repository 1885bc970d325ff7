"""Average precision by the rules of COCO.

Per image and class, the 100 best detections are matched by descending score, each with the
unmatched object of the highest IoU, the last one if tied. Ignored objects (`difficult`, as COCO's
crowds, and those outside the range of sizes under evaluation) are matched only if no other object
is; a detection matched with one of them is not counted, nor is an unmatched detection that is
itself outside the range. A crowd can be matched more than once, and its IoU is the share of the
detection inside it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from utils.boxes import area, iou
from utils.metrics.pairs import FlatBoxes, concatenate, flatten, pairs_of_equal_key, rows_by_label
from utils.metrics.score_curve import ScoreCurve, mean_measured
from utils.metrics.voc_map import VocMatches
from utils.records import Detections, Record

SMALL, LARGE = 32, 96
"""A small object has less than the area of a square of this side in pixels, a large one more."""
SIZES = ("small", "medium", "large")

COCO_METRICS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")

_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_MOST_DETECTIONS = 100
# Smallest and largest area in pixels, inclusive: any size, small, medium and large.
_AREAS = np.array([[0, 1e10], [0, SMALL**2], [SMALL**2, LARGE**2], [LARGE**2, 1e10]])


def size_of(areas: np.ndarray) -> np.ndarray:
    """Index into `SIZES` of each area in pixels, int64, of the same shape.

    An area of exactly 32x32 or 96x96 is medium: COCO counts it on both sides of the limit.
    """
    return (areas >= SMALL**2).astype(np.int64) + (areas > LARGE**2)


def evaluate_coco(
    detections: Sequence[Detections], records: Sequence[Record], class_names: Sequence[str]
) -> dict[str, float]:
    """Score detections against annotated images.

    `difficult` objects are treated as COCO's crowds: they do not count as missed, and detections on
    them are not counted. The size of an object is the area of its box: small below 32x32 pixels,
    large from 96x96 on. COCO uses the 100 best detections of each class in each image.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.

    Returns:
        `COCO_METRICS`, fractions of 1: AP is the mean over IoU 0.5, 0.55, ... 0.95. NaN without
        objects of that size.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    if len(detections) != len(records):
        raise ValueError(f"{len(detections)} detections for {len(records)} records")
    classes = len(class_names)
    detected, scores = _best_detections(detections, classes)
    truth = flatten(records, classes)
    crowd = concatenate([record.difficult for record in records], bool)
    ignored = crowd[:, None] | _outside(truth.boxes)
    is_tp, counts = _match(detected, truth, crowd, ignored)
    ap = np.full((classes, len(_AREAS), len(_IOU_THRESHOLDS)), np.nan)
    by_class = [rows_by_label(boxes.keys % max(1, classes), classes) for boxes in (detected, truth)]
    for label, (rows, objects) in enumerate(zip(*by_class, strict=True)) if classes else ():
        rows = rows[np.argsort(-scores[rows], kind="stable")]
        num_gt = (~ignored[objects]).sum(axis=0)
        for size, threshold in np.ndindex(ap.shape[1:]):
            if num_gt[size] == 0:
                continue
            counting = rows[counts[rows, size, threshold]]
            curve = ScoreCurve(
                scores[counting], is_tp[counting, size, threshold], int(num_gt[size])
            )
            ap[label, size, threshold] = curve.average_precision_101_point
    measured = (ap[:, 0], ap[:, 0, 0], ap[:, 0, 5], ap[:, 1], ap[:, 2], ap[:, 3])
    return dict(zip(COCO_METRICS, map(mean_measured, measured), strict=True))


def match_coco(
    detections: Sequence[Detections], records: Sequence[Record], class_names: Sequence[str]
) -> list[VocMatches]:
    """The detections that count by COCO's rules, for objects of any size.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.

    Returns:
        One for each of the IoU thresholds 0.5, 0.55, ... 0.95.
    """
    classes = len(class_names)
    detected, scores = _best_detections(detections, classes)
    truth = flatten(records, classes)
    crowd = concatenate([record.difficult for record in records], bool)
    ignored = crowd[:, None] | _outside(truth.boxes)
    is_tp, counts = _match(detected, truth, crowd, ignored)
    num_gt = np.bincount(truth.keys[~ignored[:, 0]], minlength=len(records) * classes)
    order = np.argsort(-scores, kind="stable")
    matches = []
    for threshold in range(len(_IOU_THRESHOLDS)):
        rows = order[counts[order, 0, threshold]]
        images, labels = np.divmod(detected.keys[rows], classes)
        matches.append(
            VocMatches(
                images,
                labels,
                scores[rows],
                is_tp[rows, 0, threshold],
                num_gt.reshape(len(records), classes),
            )
        )
    return matches


def _best_detections(
    detections: Sequence[Detections], class_count: int
) -> tuple[FlatBoxes, np.ndarray]:
    """The detections that are used and their scores, by image and class, best score first."""
    detected = flatten(detections, class_count)
    scores = concatenate([d.scores for d in detections], np.float64)
    order = np.lexsort((-scores, detected.keys))
    keys = detected.keys[order]
    order = order[np.arange(len(keys)) - np.searchsorted(keys, keys) < _MOST_DETECTIONS]
    return FlatBoxes(detected.boxes[order], detected.keys[order]), scores[order]


def _outside(boxes: np.ndarray) -> np.ndarray:
    """Whether each box is outside each range of sizes, bool `[N, A]`."""
    areas = area(boxes)[:, None]
    return (areas < _AREAS[:, 0]) | (areas > _AREAS[:, 1])


def _match(
    detected: FlatBoxes, truth: FlatBoxes, crowd: np.ndarray, ignored: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match detections with objects, all images and classes at once, one detection each per turn.

    Args:
        detected: N detections, by key, best score first.
        truth: M objects.
        crowd: bool `[M]`, whether an object can be matched more than once.
        ignored: bool `[M, A]`, whether it is ignored, for each range of sizes.

    Returns:
        Whether each detection is a true positive, and whether it counts; both bool `[N, A, T]`, for
        each range of sizes and each IoU threshold.
    """
    counts = np.repeat(~_outside(detected.boxes)[:, :, None], len(_IOU_THRESHOLDS), axis=2)
    is_tp = np.zeros_like(counts)
    is_free = np.ones((len(truth.keys), *counts.shape[1:]), bool)
    rows, objects, overlaps = _overlapping_pairs(detected, truth, crowd)
    bonus = len(rows)  # added to the preference for an object that is not ignored
    for turn, starts, ranks, pairs in _turns(rows, detected.keys):
        targets = objects[pairs]
        fits = is_free[targets] & (overlaps[pairs, None, None] >= _IOU_THRESHOLDS)
        preference = ranks[:, None] + 1 + np.where(ignored[targets], 0, bonus)
        preference = np.where(fits, preference[:, :, None], 0)
        best = np.maximum.reduceat(preference, starts)
        sizes = np.diff(starts, append=len(pairs))
        is_match = fits & (preference == np.repeat(best, sizes, axis=0))
        is_free[targets] &= ~is_match | crowd[targets, None, None]
        is_tp[turn] = best > bonus
        counts[turn] = np.where(best > 0, best > bonus, counts[turn])
    return is_tp, counts


def _overlapping_pairs(
    detected: FlatBoxes, truth: FlatBoxes, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detections and objects of equal key whose IoU reaches the lowest threshold.

    Returns:
        Indices into `detected`, indices into `truth` and IoU, each `[P]`, by detection, and for
        each detection by ascending IoU, ties in the order of the objects.
    """
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for rows, objects in pairs_of_equal_key(detected.keys, truth.keys):
        overlaps = iou(detected.boxes[rows], truth.boxes[objects], crowd[objects])
        enough = overlaps >= _IOU_THRESHOLDS[0]
        kept.append((rows[enough], objects[enough], overlaps[enough]))
    rows, objects, overlaps = (np.concatenate(column) for column in zip(*kept, strict=True))
    order = np.lexsort((objects, overlaps, rows))
    return rows[order], objects[order], overlaps[order]


def _turns(
    rows: np.ndarray, keys: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """The pairs of each key's best detection, then those of its second best, and so on.

    Args:
        rows: `[P]`, the detection of each pair, ascending.
        keys: `[N]`, of each detection, ascending.

    Yields:
        The detections, the index at which the pairs of each start, the rank of each pair among
        those of its detection, and the pairs.
    """
    detections, first, counts = np.unique(rows, return_index=True, return_counts=True)
    keys = keys[detections]
    turns = np.arange(len(keys)) - np.searchsorted(keys, keys)
    for turn in range(turns.max(initial=-1) + 1):
        chosen = np.flatnonzero(turns == turn)
        starts = np.cumsum(counts[chosen]) - counts[chosen]
        ranks = np.arange(counts[chosen].sum()) - np.repeat(starts, counts[chosen])
        yield detections[chosen], starts, ranks, np.repeat(first[chosen], counts[chosen]) + ranks
