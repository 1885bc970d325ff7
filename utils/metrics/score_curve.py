"""Precision and recall against the score threshold, and the numbers derived from this curve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


def percent(fraction: float) -> str:
    """A fraction as text, "12.3%"; "-" for NaN."""
    return "-" if np.isnan(fraction) else f"{100 * fraction:.1f}%"


def mean_measured(values: np.ndarray) -> float:
    """Mean of the values that are not NaN; NaN if all are."""
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else float("nan")


@dataclass(frozen=True)
class OperatingPoint:
    """Precision and recall of the detections that score at least `threshold`.

    Attributes:
        threshold: score; NaN if no detection is a true positive.
        precision: share of these detections that are true positives; NaN if there are none.
        recall: share of the objects that they detect; NaN without objects.
        f1: 2 TP / (2 TP + FP + FN); NaN without objects.
    """

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """True and false positives counted from the best score down.

    Attributes:
        scores: `[K]`, descending; one entry per detection that counts.
        is_tp: bool `[K]`, true positive or false positive.
        num_gt: number of ground-truth objects to detect.
    """

    scores: np.ndarray
    is_tp: np.ndarray
    num_gt: int

    @cached_property
    def true_positives(self) -> np.ndarray:
        """int64 `[K]`: number among the first 1, 2, ... K detections."""
        return np.cumsum(self.is_tp, dtype=np.int64)

    @cached_property
    def precision(self) -> np.ndarray:
        """float64 `[K]`: share of true positives among the first 1, 2, ... K detections."""
        return self.true_positives / np.arange(1, len(self.scores) + 1)

    @cached_property
    def recall(self) -> np.ndarray:
        """float64 `[K]`: share of the objects that the first 1, 2, ... K detect; or NaN."""
        if self.num_gt == 0:
            return np.full(len(self.scores), np.nan)
        return self.true_positives / self.num_gt

    @cached_property
    def envelope(self) -> np.ndarray:
        """float64 `[K]`: the highest precision at this recall or a higher one."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    @cached_property
    def average_precision(self) -> float:
        """Area under the envelope, as in VOC since 2010; NaN without objects."""
        if self.num_gt == 0:
            return float("nan")
        return float(self.envelope[self.is_tp].sum() / self.num_gt)

    @cached_property
    def average_precision_11_point(self) -> float:
        """Mean of the envelope at recall 0, 0.1, ... 1, as in VOC2007; NaN without objects."""
        if self.num_gt == 0:
            return float("nan")
        # In integers, because 3 of 10 objects must reach recall 0.3 regardless of rounding.
        reached = np.searchsorted(10 * self.true_positives, np.arange(11) * self.num_gt)
        return float(np.append(self.envelope, 0.0)[reached].mean())

    @cached_property
    def average_precision_101_point(self) -> float:
        """Mean of the envelope at recall 0, 0.01, ... 1, as in COCO; NaN without objects."""
        if self.num_gt == 0:
            return float("nan")
        # Compared as rounded fractions, because COCO's code does so.
        reached = np.searchsorted(self.recall, np.linspace(0.0, 1.0, 101))
        return float(np.append(self.envelope, 0.0)[reached].mean())

    def at(self, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 of the detections that score at least each threshold.

        Args:
            thresholds: `[T]`, scores in any order.

        Returns:
            Three float64 `[T]`; NaN if undefined, as in `OperatingPoint`.
        """
        kept = np.searchsorted(-self.scores, -np.asarray(thresholds, np.float64), side="right")
        tp = np.append(0, self.true_positives)[kept]
        undefined = np.full(len(kept), np.nan)
        precision = np.divide(tp, kept, out=undefined.copy(), where=kept > 0)
        if self.num_gt == 0:
            return precision, undefined, undefined.copy()
        return precision, tp / self.num_gt, 2.0 * tp / (kept + self.num_gt)

    def point(self, threshold: float) -> OperatingPoint:
        """Precision, recall and F1 of the detections that score at least the threshold."""
        values = self.at(np.array([threshold]))
        return OperatingPoint(threshold, *(float(value[0]) for value in values))

    def best_f1(self) -> OperatingPoint:
        """The point with the highest F1, at the highest such threshold; NaN without TP."""
        if self.num_gt == 0 or not self.is_tp.any():
            at_zero = 0.0 if self.num_gt else float("nan")
            return OperatingPoint(float("nan"), float("nan"), at_zero, at_zero)
        thresholds = np.unique(self.scores)[::-1]
        precision, recall, f1 = self.at(thresholds)
        best = int(np.argmax(f1))
        return OperatingPoint(*(float(x[best]) for x in (thresholds, precision, recall, f1)))
