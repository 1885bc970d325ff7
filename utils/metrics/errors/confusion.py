"""The confusion matrix of detections with objects, at every score threshold at once.

Row: the object's class; column: the detection's class; the last of each is the background. The
diagonal holds VOC's true positives. A wrong detection of kind `class` is in the row of the object
it takes for something else, as long as no right detection and no better one of its kind has taken
that object; every other wrong detection is in the row of the background. Objects that no detection
has taken are in the background's column. So a row adds up to the objects of the class and a column
to its detections, without those that match `difficult` objects.
"""

from dataclasses import dataclass

import numpy as np

from utils.metrics.errors.outcomes import Outcomes


@dataclass(frozen=True, eq=False)
class Confusion:
    """The matrix as K changes from the best score down.

    Attributes:
        objects: int64 `[C]`, objects of each class.
        truth: int64 `[K]`, row of each change; C is the background.
        predicted: int64 `[K]`, its column, below C.
        score: float64 `[K]`; the change applies at this threshold and below.
        change: int64 `[K]`, 1 or -1.
    """

    objects: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    score: np.ndarray
    change: np.ndarray

    @classmethod
    def of(cls, outcomes: Outcomes) -> "Confusion":
        """Count the detections of all images."""
        background = outcomes.class_count
        counted, claims = outcomes.kind != "ignored", _claims(outcomes)
        truth = np.full(len(outcomes.kind), background)
        is_right = outcomes.kind == "right"
        truth[is_right] = outcomes.label[is_right]
        truth[claims] = outcomes.object_label[outcomes.object[claims]]
        # A right detection with a lower score takes the object back.
        found = outcomes.found[outcomes.object[claims]]
        lost, given_back = claims[np.isfinite(found)], found[np.isfinite(found)]
        ones, to_background = np.ones(len(lost), np.int64), np.full(len(lost), background)
        label = outcomes.label
        return cls(
            outcomes.objects,
            np.concatenate([truth[counted], truth[lost], to_background]),
            np.concatenate([label[counted], label[lost], label[lost]]),
            np.concatenate([outcomes.score[counted], given_back, given_back]),
            np.concatenate([np.ones(counted.sum(), np.int64), -ones, ones]),
        )

    def at(self, threshold: float) -> np.ndarray:
        """The matrix of the detections that score at least `threshold`, int64 `[C + 1, C + 1]`."""
        count = len(self.objects)
        matrix = np.zeros((count + 1, count + 1), np.int64)
        applies = self.score >= threshold
        np.add.at(matrix, (self.truth[applies], self.predicted[applies]), self.change[applies])
        matrix[:count, count] = self.objects - matrix[:count].sum(axis=1)
        return matrix

    def steps(self, thresholds: np.ndarray) -> list[list[int]]:
        """The changes at ascending thresholds, without the background's column.

        Returns:
            Rows of four: truth, predicted, step and change. The matrix at `thresholds[i]` is the
            sum of the changes whose step is at least i.
        """
        step = np.searchsorted(thresholds, self.score, side="right") - 1
        keys = np.stack([self.truth, self.predicted, step])[:, step >= 0]
        unique, inverse = np.unique(keys, axis=1, return_inverse=True)
        changes = np.zeros(unique.shape[1], np.int64)
        np.add.at(changes, inverse.ravel(), self.change[step >= 0])
        return [[*key, n] for key, n in zip(unique.T.tolist(), changes.tolist(), strict=True) if n]


def _claims(outcomes: Outcomes) -> np.ndarray:
    """Indices of the detections that take an object of another class."""
    rows = np.flatnonzero(outcomes.kind == "class")
    objects = outcomes.object[rows]
    is_free = outcomes.found[objects] < outcomes.score[rows]
    rows = rows[is_free & ~outcomes.difficult[objects]]
    # The best of an image comes first.
    return rows[np.unique(outcomes.object[rows], return_index=True)[1]]
