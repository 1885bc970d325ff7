"""The paired bootstrap: mAP of runs on resampled test images.

A resample draws as many images as there are, with replacement, and weights each image by how often
it was drawn. No list of images is built: AP with integer weights equals the AP of the list with
copies, except for the order among detections of equal score.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array

from utils.metrics.voc_map import VocMatches

# Limits the memory: elements of one intermediate array.
_ELEMENTS_AT_ONCE = 1 << 21


def bootstrap_map(
    runs: Sequence[VocMatches], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Mean AP of every run under the same resamples of the test images.

    Args:
        runs: matched detections of each run, all on the same images.
        resamples: number of resamples.
        rng: draws the resamples.

    Returns:
        float64 `[runs, resamples]`; NaN for a resample without objects.

    Raises:
        ValueError: the runs were not measured on the same objects.
    """
    mean = _resample(runs, resamples, rng, lambda curve, weights: curve.mean_ap(weights)[None])
    return mean[:, 0]


def bootstrap_ap(
    runs: Sequence[VocMatches], resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """AP of every class, as `bootstrap_map`: float64 `[runs, classes, resamples]`.

    It is NaN for a resample without objects of the class.
    """
    return _resample(runs, resamples, rng, lambda curve, weights: curve.ap(weights))


def _resample(
    runs: Sequence[VocMatches],
    resamples: int,
    rng: np.random.Generator,
    measure: Callable[["_MeanCurve", np.ndarray], np.ndarray],
) -> np.ndarray:
    """`[runs, measured values, resamples]`; `measure` returns `[values, resamples]`."""
    if any(not np.array_equal(run.num_gt, runs[0].num_gt) for run in runs):
        raise ValueError("runs measured on different images cannot share resamples")
    images = len(runs[0].num_gt) if runs else 0
    if not images:
        return np.full((len(runs), 1, resamples), np.nan)
    curves = [_MeanCurve(run) for run in runs]
    step = max(1, _ELEMENTS_AT_ONCE // max(1, *(curve.rows for curve in curves)))
    pieces = []
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        weights = rng.multinomial(images, np.full(images, 1 / images), size=size).T
        pieces.append([measure(curve, weights.astype(np.float64)) for curve in curves])
    return np.concatenate(pieces, axis=2)


def weighted_map(matches: VocMatches, weights: np.ndarray) -> np.ndarray:
    """Mean AP, area under the curve, with weighted images.

    Args:
        matches: matched detections of one run.
        weights: `[images, R]`, not negative; a column of ones gives the unweighted mean AP.

    Returns:
        float64 `[R]`, each the mean over the classes that have objects under these weights; NaN if
        none has.
    """
    return _MeanCurve(matches).mean_ap(np.asarray(weights, np.float64))


def weighted_ap(matches: VocMatches, weights: np.ndarray) -> np.ndarray:
    """AP of every class with weighted images, as `weighted_map`: float64 `[classes, R]`."""
    return _MeanCurve(matches).ap(np.asarray(weights, np.float64))


def mean_over_classes(ap: np.ndarray) -> np.ndarray:
    """Mean AP, `[..., R]`, over the classes of AP `[..., C, R]` that have any; NaN if none has."""
    classes = np.count_nonzero(~np.isnan(ap), axis=-2)
    undefined = np.full(classes.shape, np.nan)
    return np.divide(np.nansum(ap, axis=-2), classes, out=undefined, where=classes > 0)


class _MeanCurve:
    """The part of the computation that all resamples of one run share."""

    def __init__(self, matches: VocMatches) -> None:
        self._num_gt = matches.num_gt.T.astype(np.float64)
        self._classes = [_ClassCurve(matches, label) for label in range(len(self._num_gt))]

    @property
    def rows(self) -> int:
        """Elements per resample of the largest intermediate array."""
        return max([self._num_gt.shape[1], *(len(curve.tp_images) for curve in self._classes)])

    def ap(self, weights: np.ndarray) -> np.ndarray:
        """Weights `[images, R]`, the result `[C, R]`; NaN for a class without objects."""
        num_gt = self._num_gt @ weights
        areas = np.array([curve.area(weights) for curve in self._classes]).reshape(num_gt.shape)
        return np.divide(areas, num_gt, out=np.full_like(areas, np.nan), where=num_gt > 0)

    def mean_ap(self, weights: np.ndarray) -> np.ndarray:
        """Weights `[images, R]`, the result `[R]`; NaN without objects of any class."""
        return mean_over_classes(self.ap(weights))


class _ClassCurve:
    """The true positives of a class and the detections between them, all that AP depends on."""

    def __init__(self, matches: VocMatches, label: int) -> None:
        of_class = matches.labels == label
        images, tp_rows = matches.images[of_class], np.flatnonzero(matches.is_tp[of_class])
        self.tp_images = images[tp_rows]
        # False positives below the last true positive change nothing.
        images = images[: tp_rows[-1] + 1] if len(tp_rows) else images[:0]
        # Row k counts, by image, the detections after true positive k - 1, up to and including k.
        rows = np.searchsorted(tp_rows, np.arange(len(images)))
        shape = (len(tp_rows), len(matches.num_gt))
        self._steps = csr_array((np.ones(len(images)), (rows, images)), shape=shape)

    def area(self, weights: np.ndarray) -> np.ndarray:
        """The envelope summed over the true positives; weights `[images, R]`, result `[R]`."""
        if len(self.tp_images) == 0:
            return np.zeros(weights.shape[1])
        tp_weights = weights[self.tp_images]
        detections = np.cumsum(self._steps @ weights, axis=0)
        true_positives = np.cumsum(tp_weights, axis=0)
        precision = np.divide(
            true_positives, detections, out=np.zeros_like(detections), where=detections > 0
        )
        # Precision rises from one copy of a true positive to the next, so the envelope at all
        # copies is that at the last.
        envelope = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        return np.einsum("kr,kr->r", tp_weights, envelope)
