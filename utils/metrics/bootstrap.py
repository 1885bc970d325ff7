"""The paired bootstrap: mAP of runs on test sets drawn anew from their test images.

A resample draws as many images as there are, with replacement, and an image weighs as often as it
was drawn. No list of images is built: AP with whole weights is exactly the AP of the list with the
copies in it, but for the order among detections of equal score.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from utils.metrics.voc_map import VocMatches

# Bounds the memory: numbers in one array of the work.
_NUMBERS_AT_ONCE = 1 << 21


def bootstrap_map(
    runs: Sequence[VocMatches], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Mean AP of every run under the same resamples of the test images.

    Args:
        runs: judged detections of each run, all on the same images.
        resamples: how many test sets to draw.
        rng: what draws.

    Returns:
        float64 `[runs, resamples]`; nan where a resample has no object.

    Raises:
        ValueError: when the runs were not measured on the same objects.
    """
    if any(not np.array_equal(run.objects, runs[0].objects) for run in runs):
        raise ValueError("runs measured on different images cannot share resamples")
    curves = [_MeanCurve(run) for run in runs]
    means = np.empty((len(runs), resamples))
    images = len(runs[0].objects) if runs else 0
    step = max(1, _NUMBERS_AT_ONCE // max([1, *(curve.rows for curve in curves)]))
    for start in range(0, resamples if images else 0, step):
        size = min(step, resamples - start)
        drawn = rng.multinomial(images, np.full(images, 1 / images), size=size)
        weights = drawn.T.astype(np.float64)
        for mean, curve in zip(means, curves, strict=True):
            mean[start : start + size] = curve.mean_ap(weights)
    return means if images else np.full_like(means, np.nan)


def weighted_map(matches: VocMatches, weights: np.ndarray) -> np.ndarray:
    """Mean AP, area under the curve, with the images weighted.

    Args:
        matches: the judged detections of one run.
        weights: `[images, R]`, not negative; a column of ones gives the plain mean AP.

    Returns:
        float64 `[R]`, each the mean over the classes that have objects under these weights; nan
        where none has.
    """
    return _MeanCurve(matches).mean_ap(np.asarray(weights, np.float64))


class _MeanCurve:
    """What all resamples of one run have in common."""

    def __init__(self, matches: VocMatches) -> None:
        self._objects = matches.objects.T.astype(np.float64)
        self._classes = [_ClassCurve(matches, label) for label in range(len(self._objects))]

    @property
    def rows(self) -> int:
        """Numbers that the largest array of the work has per resample."""
        return max([self._objects.shape[1], *(len(curve.finders) for curve in self._classes)])

    def mean_ap(self, weights: np.ndarray) -> np.ndarray:
        """Weights `[images, R]`, the result `[R]`."""
        objects = self._objects @ weights
        areas = np.array([curve.area(weights) for curve in self._classes]).reshape(objects.shape)
        ap = np.divide(areas, objects, out=np.zeros_like(areas), where=objects > 0)
        classes = (objects > 0).sum(axis=0)
        nothing = np.full(len(classes), np.nan)
        return np.divide(ap.sum(axis=0), classes, out=nothing, where=classes > 0)


class _ClassCurve:
    """The right detections of a class and what lies between them: all that AP looks at."""

    def __init__(self, matches: VocMatches, label: int) -> None:
        mine = matches.labels == label
        images, right = matches.images[mine], np.flatnonzero(matches.is_tp[mine])
        self.finders = images[right]
        # Wrong detections below the last right one change nothing.
        images = images[: right[-1] + 1] if len(right) else images[:0]
        # Row k counts, by image, the detections after right one k - 1, up to and with k.
        rows = np.searchsorted(right, np.arange(len(images)))
        shape = (len(right), len(matches.objects))
        self._steps = csr_array((np.ones(len(images)), (rows, images)), shape=shape)

    def area(self, weights: np.ndarray) -> np.ndarray:
        """The envelope summed over the right detections; weights `[images, R]`, result `[R]`."""
        if len(self.finders) == 0:
            return np.zeros(weights.shape[1])
        found = weights[self.finders]
        kept = np.cumsum(self._steps @ weights, axis=0)
        right = np.cumsum(found, axis=0)
        precision = np.divide(right, kept, out=np.zeros_like(kept), where=kept > 0)
        # Precision rises from one copy of a right detection to the next, so the envelope of all
        # copies is that of the last.
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        return np.einsum("kr,kr->r", found, envelope)
