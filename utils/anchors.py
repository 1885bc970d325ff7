"""Anchor boxes: text files of them, and k-means on the boxes of a data set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.boxes import shape_iou
from utils.errors import FileError, UserError
from utils.files.reading import read_utf8
from utils.printable import brief
from utils.records import Record
from utils.resize import Resize, fit_scale

# Clustering uses at most this many boxes: more would not move an anchor by a pixel.
_MOST_BOXES = 10_000
_RESTARTS = 4
_MOST_UPDATES = 200
# Of an anchor in pixels.
_SMALLEST_SIDE, _LARGEST_SIDE = 1e-3, 1e6


def box_sizes(
    records: Sequence[Record], input_size: tuple[int, int], resize: Resize = "letterbox"
) -> np.ndarray:
    """Measure the training boxes as the network sees them, that is in its input.

    Difficult objects are left out, since no anchor is assigned to them.

    Args:
        records: the annotated images.
        input_size: height and width of the network's input in pixels.
        resize: how images are fitted to the input.

    Returns:
        float32 `[N, 2]`, width and height in input pixels.
    """
    sizes = [np.zeros((0, 2), np.float32)]
    for record in records:
        scale = np.array(fit_scale(record.size, input_size, resize), np.float32)
        boxes = record.boxes[~record.difficult]
        sizes.append((boxes[:, 2:] - boxes[:, :2]) * scale)
    return np.concatenate(sizes).astype(np.float32)


def mean_best_iou(sizes_wh: np.ndarray, anchors: np.ndarray) -> float:
    """Measure how well anchors fit boxes: the mean IoU of the boxes with their best anchor.

    Args:
        sizes_wh: `[N, 2]`, width and height of the boxes, at least one.
        anchors: `[K, 2]`, width and height.

    Raises:
        UserError: there is no box.
    """
    if len(sizes_wh) == 0:
        raise UserError("There is no box to fit anchors to.")
    return float(shape_iou(sizes_wh, anchors).max(axis=1).mean())


def kmeans_anchors(sizes_wh: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """Find the `k` anchors that fit the boxes, by k-means with the distance 1 - IoU.

    Of several seeded starts (k-means++), the best result by `mean_best_iou` is returned.

    Args:
        sizes_wh: `[N, 2]`, width and height of the boxes at the input size.
        k: the number of anchors.
        seed: equal seeds and boxes give equal anchors.

    Returns:
        float32 `[k, 2]`, width and height, smallest area first.

    Raises:
        UserError: the boxes have fewer than `k` distinct sizes.
    """
    rng = np.random.default_rng(seed)
    sizes = np.asarray(sizes_wh, np.float64)
    if len(sizes) > _MOST_BOXES:
        sizes = sizes[rng.choice(len(sizes), _MOST_BOXES, replace=False)]
    distinct = len(np.unique(sizes, axis=0))
    if distinct < k:
        raise UserError(
            f"{k} anchors need boxes of at least {k} different sizes, but the training boxes have "
            f"{distinct}: use the default (COCO) anchors."
        )
    starts = [_refine(sizes, _spread(sizes, k, rng)) for _ in range(_RESTARTS)]
    best = max(starts, key=lambda anchors: mean_best_iou(sizes, anchors))
    return best[np.argsort(best.prod(axis=1))].astype(np.float32)


def _spread(sizes: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Choose `k` boxes far from each other: k-means++ seeding."""
    chosen = [int(rng.integers(len(sizes)))]
    distance = np.full(len(sizes), np.inf)
    while len(chosen) < k:
        distance = np.minimum(distance, 1 - shape_iou(sizes, sizes[chosen[-1:]])[:, 0])
        weight = np.square(distance)
        chosen.append(int(rng.choice(len(sizes), p=weight / weight.sum())))
    return sizes[chosen]


def _refine(sizes: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """Move each anchor to the median of its nearest boxes until no box changes its anchor."""
    nearest = None
    for _ in range(_MOST_UPDATES):
        iou = shape_iou(sizes, anchors)
        previous, nearest = nearest, iou.argmax(axis=1)
        if previous is not None and np.array_equal(previous, nearest):
            break
        anchors = anchors.copy()
        counts = np.bincount(nearest, minlength=len(anchors))
        for cluster in np.flatnonzero(counts):
            anchors[cluster] = np.median(sizes[nearest == cluster], axis=0)
        lost = np.flatnonzero(counts == 0)
        if len(lost):  # a cluster without boxes restarts at the box that fits worst
            anchors[lost] = sizes[iou.max(axis=1).argsort()[: len(lost)]]
    return anchors


def format_anchors(anchors: np.ndarray) -> str:
    """Format anchors as the text that `read_anchors` reads, such as `12,16 19,36 40,28`."""
    return " ".join(f"{width:.6g},{height:.6g}" for width, height in anchors)


def read_anchors(path: str | Path, count: int) -> np.ndarray:
    """Read a text file of anchors, `width,height` pairs such as `12,16 19,36 40,28`.

    The anchors of the finest level come first. Darknet's notation, with commas only, is also read.

    Args:
        path: the text file.
        count: number of anchors that it must hold.

    Returns:
        float32 `[count, 2]`, width and height in input pixels, in the file's order.

    Raises:
        UserError: the file is missing, is not such a text, or holds another number of anchors.
    """
    words = read_utf8(path).replace(",", " ").split()
    values = [_positive(path, word) for word in words]
    if len(values) != 2 * count:
        raise UserError(
            f"{path}: found {len(values)} numbers; {count} anchors are {2 * count} numbers, "
            "written like `12,16 19,36 40,28`."
        )
    return np.array(values, np.float32).reshape(count, 2)


def _positive(path: str | Path, word: str) -> float:
    """Read one side of an anchor."""
    try:
        value = float(word)
    except ValueError:
        value = 0.0
    if not _SMALLEST_SIDE <= value <= _LARGEST_SIDE:
        limits = f"from {_SMALLEST_SIDE:g} to {_LARGEST_SIDE:,.0f}"
        raise FileError(path, f"{brief(word)} is not a width or height: give pixels {limits}")
    return value
