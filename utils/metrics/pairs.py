"""The boxes of all images in one array, and pairs of boxes with the same image and class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.records import Detections, Record

# Limits the memory: box pairs that are processed together.
_PAIRS_AT_ONCE = 1 << 21


@dataclass(frozen=True, eq=False)
class FlatBoxes:
    """The boxes of all images in one array.

    Attributes:
        boxes: float64 `[N, 4]`, xyxy in pixels of the image each belongs to.
        keys: int64 `[N]`, image * number of classes + class: equal if image and class are.
    """

    boxes: np.ndarray
    keys: np.ndarray


def flatten(images: Sequence[Detections | Record], class_count: int) -> FlatBoxes:
    """Concatenate the boxes of all images, in order.

    Raises:
        ValueError: a label has no class name.
    """
    labels = concatenate([image.labels for image in images], np.int64)
    if len(labels) and not 0 <= labels.min() <= labels.max() < class_count:
        raise ValueError(f"labels {labels.min()}..{labels.max()} for {class_count} class names")
    boxes = concatenate([np.reshape(image.boxes, (-1, 4)) for image in images], np.float64)
    image_of = np.repeat(np.arange(len(images)), [len(image.labels) for image in images])
    return FlatBoxes(boxes.reshape(-1, 4), image_of * class_count + labels)


def concatenate(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    """Concatenate arrays; without any, the result is empty."""
    return np.concatenate(parts).astype(dtype) if len(parts) else np.zeros(0, dtype)


def rows_by_label(labels: np.ndarray, class_count: int) -> list[np.ndarray]:
    """The indices of each class's entries, ascending; in time that is linear in both."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, class_count)))


def pairs_of_equal_key(
    keys: np.ndarray, others: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pair each entry with all others of the same key.

    Args:
        keys: `[N]`.
        others: `[M]`.

    Yields:
        Indices into `keys`, ascending, and into `others`, ascending for each entry of `keys`. The
        pairs come in pieces of limited size; the pairs of one entry are in the same piece.
    """
    by_key = np.argsort(others, kind="stable")
    first, end = (np.searchsorted(others, keys, side, by_key) for side in ("left", "right"))
    paired = np.flatnonzero(end > first)
    for rows in _pieces(paired, (end - first)[paired]):
        counts = (end - first)[rows]
        starts = np.cumsum(counts) - counts
        within = np.arange(counts.sum()) - np.repeat(starts, counts)
        yield np.repeat(rows, counts), by_key[np.repeat(first[rows], counts) + within]


def _pieces(rows: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    """Split the rows into pieces of about `_PAIRS_AT_ONCE` pairs; row i has `counts[i]` pairs."""
    piece = np.cumsum(counts) // _PAIRS_AT_ONCE
    pieces = np.split(rows, np.flatnonzero(np.diff(piece)) + 1)
    return [p for p in pieces if len(p)]
