"""Average precision by the rules of the Pascal VOC challenge.

Per class, detections are processed by descending score. Each is compared with the object of its
class and image with which it has the highest IoU, matched or not. Below the IoU threshold, the
detection is a false positive; if the object is `difficult`, the detection is not counted; if the
object is matched already, it is a false positive (a duplicate); else it is a true positive.
`difficult` objects do not count as missed. Boxes are continuous: their width is x2 - x1, without
the extra pixel of the VOC devkit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from utils.boxes import iou
from utils.metrics.pairs import FlatBoxes, concatenate, flatten, pairs_of_equal_key, rows_by_label
from utils.metrics.score_curve import ScoreCurve, mean_measured
from utils.records import Detections, Record


@dataclass(frozen=True, eq=False)
class VocScores:
    """The evaluation at one IoU threshold.

    Attributes:
        iou_threshold: IoU that a detection needs at least with an object.
        classes: one curve per class, in the order of the class names.
        overall: one curve of all classes' detections and objects together.
    """

    iou_threshold: float
    classes: tuple[ScoreCurve, ...]
    overall: ScoreCurve

    @cached_property
    def ap(self) -> np.ndarray:
        """float64 `[C]`: area under each class's curve; NaN for a class without objects."""
        return np.array([curve.average_precision for curve in self.classes])

    @cached_property
    def ap_11_point(self) -> np.ndarray:
        """float64 `[C]`: VOC2007's 11-point AP; NaN for a class without objects."""
        return np.array([curve.average_precision_11_point for curve in self.classes])

    @property
    def map(self) -> float:
        """Mean of `ap` over the classes that have objects; NaN if none has."""
        return mean_measured(self.ap)

    @property
    def map_11_point(self) -> float:
        """Mean of `ap_11_point` over the classes that have objects; NaN if none has."""
        return mean_measured(self.ap_11_point)


@dataclass(frozen=True, eq=False)
class VocResult:
    """The evaluation at IoU 0.5 and at every other requested threshold.

    Attributes:
        class_names: names of the C classes.
        by_iou: scores by IoU threshold, ascending; 0.5 is always included.
    """

    class_names: tuple[str, ...]
    by_iou: dict[float, VocScores]

    @property
    def main(self) -> VocScores:
        """The scores at IoU 0.5."""
        return self.by_iou[0.5]

    @property
    def map(self) -> float:
        """Mean AP, area under the curve, at IoU 0.5."""
        return self.main.map

    @property
    def classes_without_objects(self) -> tuple[str, ...]:
        """Names of the classes without objects, which the means leave out."""
        pairs = zip(self.class_names, self.main.classes, strict=True)
        return tuple(name for name, curve in pairs if curve.num_gt == 0)


def evaluate_voc(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    iou_thresholds: Sequence[float] = (0.5,),
) -> VocResult:
    """Score detections against annotated images.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.
        iou_thresholds: fractions in (0, 1]; 0.5 is always added.

    Returns:
        Curves, AP and mean AP at each threshold.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    candidates = _find_candidates(detections, records, len(class_names))
    thresholds = sorted({0.5, *map(float, iou_thresholds)})
    by_iou = {threshold: _score(candidates.match(threshold), threshold) for threshold in thresholds}
    return VocResult(tuple(class_names), by_iou)


@dataclass(frozen=True, eq=False)
class VocMatches:
    """The detections that count, best score first, matched at one IoU threshold.

    Attributes:
        images: int64 `[N]`, index of each detection's image.
        labels: int64 `[N]`, each detection's class.
        scores: float64 `[N]`, descending.
        is_tp: bool `[N]`, true positive or false positive.
        num_gt: int64 `[images, C]`, number of objects in each image and class, without difficult
            ones.
    """

    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    is_tp: np.ndarray
    num_gt: np.ndarray


def pooled(matches: VocMatches) -> VocMatches:
    """The same detections and objects as if they were of one class."""
    one = np.zeros_like(matches.labels)
    return replace(matches, labels=one, num_gt=matches.num_gt.sum(axis=1, keepdims=True))


def weighted_f1(matches: VocMatches, threshold: float, weights: np.ndarray) -> np.ndarray:
    """F1 of all classes together at a score threshold, with weighted images.

    Args:
        matches: matched detections of one run.
        threshold: detections that score at least this much are kept.
        weights: `[images, R]`, not negative; a column of ones gives the unweighted F1.

    Returns:
        float64 `[R]`, 2 TP / (kept + objects); NaN without objects.
    """
    kept = matches.scores >= threshold
    images = len(matches.num_gt)
    found = np.bincount(matches.images[kept & matches.is_tp], minlength=images) @ weights
    objects = matches.num_gt.sum(axis=1) @ weights
    both = np.bincount(matches.images[kept], minlength=images) @ weights + objects
    return np.divide(2 * found, both, out=np.full(both.shape, np.nan), where=objects > 0)


def match_voc(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
) -> VocMatches:
    """Match each detection, for computations that need more than the curves of `evaluate_voc`.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.
        iou_threshold: fraction in (0, 1].

    Returns:
        The detections that count: those that match a `difficult` object are left out.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    return _find_candidates(detections, records, len(class_names)).match(iou_threshold)


def _score(matches: VocMatches, iou_threshold: float) -> VocScores:
    num_gt = matches.num_gt.sum(axis=0)
    curves = []
    by_class = rows_by_label(matches.labels, len(num_gt)) if len(num_gt) else []
    for rows, count in zip(by_class, num_gt, strict=True):
        curves.append(ScoreCurve(matches.scores[rows], matches.is_tp[rows], int(count)))
    overall = ScoreCurve(matches.scores, matches.is_tp, int(num_gt.sum()))
    return VocScores(iou_threshold, tuple(curves), overall)


@dataclass(frozen=True, eq=False)
class _Candidates:
    """All detections by descending score, each with the object of the highest IoU.

    `iou` is -1 if the image has no object of the class; `best` indexes `difficult`, which has an
    entry per object. The others are as in `VocMatches`.
    """

    images: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    iou: np.ndarray
    best: np.ndarray
    difficult: np.ndarray
    num_gt: np.ndarray

    def match(self, iou_threshold: float) -> VocMatches:
        counts, is_tp = _match(self.iou >= iou_threshold, self.best, self.difficult)
        return VocMatches(
            images=self.images[counts],
            labels=self.labels[counts],
            scores=self.scores[counts],
            is_tp=is_tp[counts],
            num_gt=self.num_gt,
        )


def _find_candidates(
    detections: Sequence[Detections], records: Sequence[Record], class_count: int
) -> _Candidates:
    if len(detections) != len(records):
        raise ValueError(f"{len(detections)} detections for {len(records)} records")
    detected, truth = flatten(detections, class_count), flatten(records, class_count)
    scores = concatenate([d.scores for d in detections], np.float64)
    difficult = concatenate([r.difficult for r in records], bool)
    order = np.argsort(-scores, kind="stable")
    images, labels = np.divmod(detected.keys[order], class_count)
    num_gt = np.bincount(truth.keys[~difficult], minlength=len(records) * class_count)
    overlaps, best = _best_objects(detected.boxes[order], detected.keys[order], truth)
    num_gt = num_gt.reshape(len(records), class_count)
    return _Candidates(images, labels, scores[order], overlaps, best, difficult, num_gt)


def _best_objects(
    boxes: np.ndarray, keys: np.ndarray, truth: FlatBoxes
) -> tuple[np.ndarray, np.ndarray]:
    """For each box, the object of equal key with the highest IoU, the first one if tied.

    Returns:
        That IoU, float64 `[N]`, -1 if no object has the key; int64 `[N]` indices into `truth`.
    """
    overlaps, best = np.full(len(boxes), -1.0), np.zeros(len(boxes), np.int64)
    for rows, objects in pairs_of_equal_key(keys, truth.keys):
        values = iou(boxes[rows], truth.boxes[objects])
        chosen, starts, counts = np.unique(rows, return_index=True, return_counts=True)
        highest = np.maximum.reduceat(values, starts)
        is_highest = values == np.repeat(highest, counts)
        overlaps[chosen] = highest
        best[chosen] = np.minimum.reduceat(np.where(is_highest, objects, len(truth.keys)), starts)
    return overlaps, best


def _match(
    overlaps: np.ndarray, best: np.ndarray, difficult: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which detections count and which are true positives.

    Args:
        overlaps: bool `[N]`, by descending score: whether the IoU with object `best[i]` suffices.
        best: int64 `[N]`, indices into `difficult`.
        difficult: bool `[M]`.

    Returns:
        Two bool `[N]`.
    """
    overlapping = np.flatnonzero(overlaps)
    on_difficult = difficult[best[overlapping]]
    counts = np.ones(len(overlaps), bool)
    counts[overlapping[on_difficult]] = False
    candidates = overlapping[~on_difficult]
    first = np.unique(best[candidates], return_index=True)[1]
    is_tp = np.zeros(len(overlaps), bool)
    is_tp[candidates[first]] = True
    return counts, is_tp
