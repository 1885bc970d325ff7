"""Precision and recall as the score threshold falls, and the numbers read off that curve."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np


def percent(fraction: float) -> str:
    """A fraction in words: "12.3%", or "-" where nothing was measured."""
    return "-" if np.isnan(fraction) else f"{100 * fraction:.1f}%"


def mean_measured(values: np.ndarray) -> float:
    """Mean of the values that are not nan; nan when all are."""
    measured = values[~np.isnan(values)]
    return float(measured.mean()) if len(measured) else float("nan")


@dataclass(frozen=True)
class OperatingPoint:
    """What a detector does when it keeps the detections that score at least `threshold`.

    Attributes:
        threshold: score; nan where there is nothing to choose from.
        precision: share of the kept detections that are right; nan where none is kept.
        recall: share of the objects that are found; nan where there is no object.
        f1: 2 TP / (2 TP + FP + FN); nan where there is no object.
    """

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, eq=False)
class ScoreCurve:
    """Right and wrong detections counted from the best score down.

    Attributes:
        scores: `[K]`, falling; one entry per detection that counts.
        is_tp: bool `[K]`, whether the detection found an object (else it is a false positive).
        objects: number of objects to find.
    """

    scores: np.ndarray
    is_tp: np.ndarray
    objects: int

    @cached_property
    def true_positives(self) -> np.ndarray:
        """int64 `[K]`: right detections among the first 1, 2, ... K."""
        return np.cumsum(self.is_tp, dtype=np.int64)

    @cached_property
    def precision(self) -> np.ndarray:
        """float64 `[K]`: share of the first 1, 2, ... K detections that are right."""
        return self.true_positives / np.arange(1, len(self.scores) + 1)

    @cached_property
    def recall(self) -> np.ndarray:
        """float64 `[K]`: share of the objects that the first 1, 2, ... K find; or nan."""
        if self.objects == 0:
            return np.full(len(self.scores), np.nan)
        return self.true_positives / self.objects

    @cached_property
    def envelope(self) -> np.ndarray:
        """float64 `[K]`: the best precision at this recall or a higher one."""
        return np.maximum.accumulate(self.precision[::-1])[::-1]

    @cached_property
    def average_precision(self) -> float:
        """Area under the envelope, as VOC counts since 2010; nan without objects."""
        if self.objects == 0:
            return float("nan")
        return float(self.envelope[self.is_tp].sum() / self.objects)

    @cached_property
    def average_precision_11_point(self) -> float:
        """Mean of the envelope at recall 0, 0.1, ... 1, as VOC2007 counts; nan without objects."""
        if self.objects == 0:
            return float("nan")
        # Whole numbers, because 3 of 10 objects must reach recall 0.3 whatever the rounding.
        reached = np.searchsorted(10 * self.true_positives, np.arange(11) * self.objects)
        return float(np.append(self.envelope, 0.0)[reached].mean())

    @cached_property
    def average_precision_101_point(self) -> float:
        """Mean of the envelope at recall 0, 0.01, ... 1, as COCO counts; nan without objects."""
        if self.objects == 0:
            return float("nan")
        # Compared as fractions, with their rounding, because COCO's own code does so.
        reached = np.searchsorted(self.recall, np.linspace(0.0, 1.0, 101))
        return float(np.append(self.envelope, 0.0)[reached].mean())

    def at(self, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1 of the detections that score at least each threshold.

        Args:
            thresholds: `[T]`, scores in any order.

        Returns:
            Three float64 `[T]`; nan where undefined, as in `OperatingPoint`.
        """
        kept = np.searchsorted(-self.scores, -np.asarray(thresholds, np.float64), side="right")
        right = np.append(0, self.true_positives)[kept]
        undefined = np.full(len(kept), np.nan)
        precision = np.divide(right, kept, out=undefined.copy(), where=kept > 0)
        if self.objects == 0:
            return precision, undefined, undefined.copy()
        return precision, right / self.objects, 2.0 * right / (kept + self.objects)

    def best_f1(self) -> OperatingPoint:
        """The threshold with the highest F1, the highest of equals; nan when nothing is right."""
        if self.objects == 0 or not self.is_tp.any():
            nothing = 0.0 if self.objects else float("nan")
            return OperatingPoint(float("nan"), float("nan"), nothing, nothing)
        thresholds = np.unique(self.scores)[::-1]
        precision, recall, f1 = self.at(thresholds)
        best = int(np.argmax(f1))
        return OperatingPoint(*(float(x[best]) for x in (thresholds, precision, recall, f1)))
