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
_RECALLS = np.linspace(0.0, 1.0, 101)


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
        weights = draw_weights(images, size, rng)
        pieces.append([measure(curve, weights) for curve in curves])
    return np.concatenate(pieces, axis=2)


def draw_weights(images: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each image is drawn in each resample, float64 `[images, resamples]`."""
    drawn = rng.multinomial(images, np.full(images, 1 / images), size=resamples)
    return drawn.T.astype(np.float64)


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


def weighted_coco_ap(matches: VocMatches, weights: np.ndarray) -> np.ndarray:
    """As `weighted_ap`, but the mean precision at recall 0, 0.01, ... 1, as in COCO."""
    return _MeanCurve(matches).coco_ap(np.asarray(weights, np.float64))


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

    def coco_ap(self, weights: np.ndarray) -> np.ndarray:
        """As `ap`, by the mean at 101 recalls."""
        num_gt = self._num_gt @ weights
        rows = zip(self._classes, np.maximum(num_gt, 1), strict=True)
        means = [curve.mean_at_recalls(weights, count) for curve, count in rows]
        return np.where(num_gt > 0, np.reshape(means, num_gt.shape), np.nan)

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
        return np.einsum("kr,kr->r", weights[self.tp_images], self._envelope(weights))

    def mean_at_recalls(self, weights: np.ndarray, num_gt: np.ndarray) -> np.ndarray:
        """The envelope's mean at 101 recalls; weights `[images, R]`, objects and result `[R]`."""
        if len(self.tp_images) == 0:
            return np.zeros(weights.shape[1])
        recall = np.cumsum(weights[self.tp_images], axis=0) / num_gt
        reached = np.searchsorted(_RECALLS, recall, side="right")
        new = np.diff(reached, axis=0, prepend=0).astype(np.float64)
        return np.einsum("kr,kr->r", new, self._envelope(weights)) / len(_RECALLS)

    def _envelope(self, weights: np.ndarray) -> np.ndarray:
        """At each true positive the highest precision at its recall or a higher one, `[K, R]`."""
        tp_weights = weights[self.tp_images]
        detections = np.cumsum(self._steps @ weights, axis=0)
        true_positives = np.cumsum(tp_weights, axis=0)
        precision = np.divide(
            true_positives, detections, out=np.zeros_like(detections), where=detections > 0
        )
        # Precision rises from one copy of a true positive to the next, so the envelope at all
        # copies is that at the last.
        return np.maximum.accumulate(precision[::-1], axis=0)[::-1]
