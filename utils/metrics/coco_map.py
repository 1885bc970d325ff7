"""Average precision by the rules of COCO.

Per image and class, the 100 best detections take objects by falling score: each the free object
with the highest IoU, the last one of equals. Objects that need not be found (`difficult`, as COCO's
crowds, and those outside the range of sizes that is looked at) are taken only where no other fits;
a detection on one of them is not counted, nor is one that fits nothing and is itself outside the
range. A crowd can be taken again and again, and its IoU is the share of the detection inside it.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from utils.boxes import area, iou
from utils.metrics.pairs import FlatBoxes, concatenate, flatten, pairs_of_equal_key
from utils.metrics.score_curve import ScoreCurve, mean_measured
from utils.records import Detections, Record

COCO_METRICS = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")

_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_MOST_DETECTIONS = 100
# Least and largest area in pixels, both included: any size, small, medium and large.
_AREAS = np.array([[0, 1e10], [0, 32**2], [32**2, 96**2], [96**2, 1e10]])


def evaluate_coco(
    detections: Sequence[Detections], records: Sequence[Record], class_names: Sequence[str]
) -> dict[str, float]:
    """Score detections against annotated images.

    `difficult` objects go in as COCO's crowds: they need not be found, and detections on them are
    not counted. The size of an object is the area of its box: small below 32x32 pixels, large from
    96x96 on. COCO looks at the 100 best detections of each class in each image.

    Args:
        detections: what was found in each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.

    Returns:
        `COCO_METRICS`, fractions of 1: AP is the mean over IoU 0.5, 0.55, ... 0.95. nan where there
        is no object of that kind to find.

    Raises:
        ValueError: when the two sequences differ in length or a label has no class name.
    """
    if len(detections) != len(records):
        raise ValueError(f"{len(detections)} detections for {len(records)} records")
    classes = len(class_names)
    found, scores = _best_found(detections, classes)
    truth = flatten(records, classes)
    crowd = concatenate([record.difficult for record in records], bool)
    needless = crowd[:, None] | _outside(truth.boxes)
    is_tp, counts = _match(found, truth, crowd, needless)
    ap = np.full((classes, len(_AREAS), len(_IOU_THRESHOLDS)), np.nan)
    for label in range(classes):
        mine = np.flatnonzero(found.keys % classes == label)
        mine = mine[np.argsort(-scores[mine], kind="stable")]
        objects = (~needless[truth.keys % classes == label]).sum(axis=0)
        for size, threshold in np.ndindex(ap.shape[1:]):
            counting = mine[counts[mine, size, threshold]]
            curve = ScoreCurve(
                scores[counting], is_tp[counting, size, threshold], int(objects[size])
            )
            ap[label, size, threshold] = curve.average_precision_101_point
    measured = (ap[:, 0], ap[:, 0, 0], ap[:, 0, 5], ap[:, 1], ap[:, 2], ap[:, 3])
    return dict(zip(COCO_METRICS, map(mean_measured, measured), strict=True))


def _best_found(detections: Sequence[Detections], class_count: int) -> tuple[FlatBoxes, np.ndarray]:
    """The detections that are looked at and their scores, by image and class, best score first."""
    found = flatten(detections, class_count)
    scores = concatenate([d.scores for d in detections], np.float64)
    order = np.lexsort((-scores, found.keys))
    keys = found.keys[order]
    order = order[np.arange(len(keys)) - np.searchsorted(keys, keys) < _MOST_DETECTIONS]
    return FlatBoxes(found.boxes[order], found.keys[order]), scores[order]


def _outside(boxes: np.ndarray) -> np.ndarray:
    """Whether each box is of another size than looked at, bool `[N, A]`."""
    areas = area(boxes)[:, None]
    return (areas < _AREAS[:, 0]) | (areas > _AREAS[:, 1])


def _match(
    found: FlatBoxes, truth: FlatBoxes, crowd: np.ndarray, needless: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Let the detections take objects, all images and classes at once, one of each in a turn.

    Args:
        found: N detections, by key, best score first.
        truth: M objects.
        crowd: bool `[M]`, whether an object can be taken more than once.
        needless: bool `[M, A]`, whether it need not be found, at each range of sizes.

    Returns:
        Whether each detection found an object that it had to, and whether it counts; both bool
        `[N, A, T]`, at each range of sizes and each IoU threshold.
    """
    counts = np.repeat(~_outside(found.boxes)[:, :, None], len(_IOU_THRESHOLDS), axis=2)
    is_tp = np.zeros_like(counts)
    is_free = np.ones((len(truth.keys), *counts.shape[1:]), bool)
    rows, objects, overlaps = _overlapping_pairs(found, truth, crowd)
    needed = len(rows)  # added to the preference for an object that has to be found
    for turn, starts, within, pairs in _turns(rows, found.keys):
        mine = objects[pairs]
        fits = is_free[mine] & (overlaps[pairs, None, None] >= _IOU_THRESHOLDS)
        preference = within[:, None] + 1 + np.where(needless[mine], 0, needed)
        preference = np.where(fits, preference[:, :, None], 0)
        best = np.maximum.reduceat(preference, starts)
        numbers = np.diff(starts, append=len(pairs))
        is_taken = fits & (preference == np.repeat(best, numbers, axis=0))
        is_free[mine] &= ~is_taken | crowd[mine, None, None]
        is_tp[turn] = best > needed
        counts[turn] = np.where(best > 0, best > needed, counts[turn])
    return is_tp, counts


def _overlapping_pairs(
    found: FlatBoxes, truth: FlatBoxes, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detections and objects of one key that overlap enough for the lowest threshold.

    Returns:
        Indices into `found`, indices into `truth` and IoU, each `[P]`, by detection, and the
        objects of each by rising IoU, equals in their own order.
    """
    kept = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for rows, objects in pairs_of_equal_key(found.keys, truth.keys):
        overlaps = iou(found.boxes[rows], truth.boxes[objects], crowd[objects])
        enough = overlaps >= _IOU_THRESHOLDS[0]
        kept.append((rows[enough], objects[enough], overlaps[enough]))
    rows, objects, overlaps = (np.concatenate(column) for column in zip(*kept, strict=True))
    order = np.lexsort((objects, overlaps, rows))
    return rows[order], objects[order], overlaps[order]


def _turns(
    rows: np.ndarray, keys: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """The pairs of each key's best detection, then those of its second, and so on.

    Args:
        rows: `[P]`, the detection of each pair, rising.
        keys: `[N]`, of each detection, rising.

    Yields:
        The detections, where the pairs of each begin, the place of each pair among those of its
        detection, and the pairs.
    """
    detections, first, numbers = np.unique(rows, return_index=True, return_counts=True)
    keys = keys[detections]
    turns = np.arange(len(keys)) - np.searchsorted(keys, keys)
    for turn in range(turns.max(initial=-1) + 1):
        mine = np.flatnonzero(turns == turn)
        starts = np.cumsum(numbers[mine]) - numbers[mine]
        within = np.arange(numbers[mine].sum()) - np.repeat(starts, numbers[mine])
        yield detections[mine], starts, within, np.repeat(first[mine], numbers[mine]) + within
