"""Boxes that stand out: wrong labels are often among them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from utils.boxes import area, iou
from utils.inspection.objects import Objects

NEARLY_EQUAL = 0.75  # IoU
_ROWS_AT_ONCE = 512


@dataclass(frozen=True)
class OddBox:
    """A box that stands out.

    Attributes:
        object: its row in `Objects`.
        value: by what it stands out; its unit is that of the list.
        other: the row of the second box of a pair.
    """

    object: int
    value: float
    other: int | None = None


def largest(objects: Objects, count: int) -> list[OddBox]:
    """The boxes that take the largest part of their image; the value is that part, 0 to 1."""
    image_areas = np.array([np.prod(record.size) for record in objects.records], np.float64)
    return _highest(area(objects.boxes) / image_areas[objects.image], count)


def smallest(objects: Objects, count: int) -> list[OddBox]:
    """The boxes with the smallest area in the network's input; the value is its root in pixels."""
    chosen = _highest(-objects.input_sides, count)
    return [OddBox(box.object, -box.value) for box in chosen]


def longest(objects: Objects, count: int) -> list[OddBox]:
    """The boxes with the largest ratio of the longer to the shorter side, which is the value."""
    return _highest(objects.sizes.max(axis=1) / objects.sizes.min(axis=1), count)


def nearly_equal(objects: Objects, count: int) -> tuple[list[OddBox], int]:
    """Pairs of boxes of an image whose IoU, the value, is at least `NEARLY_EQUAL`.

    Returns:
        The pairs with the highest IoU, and the number of all pairs.
    """
    ends = np.flatnonzero(np.diff(objects.image)) + 1
    pairs = [
        pair for rows in np.split(np.arange(len(objects)), ends) for pair in _pairs(objects, rows)
    ]
    pairs.sort(key=lambda pair: -pair.value)
    return pairs[:count], len(pairs)


def _pairs(objects: Objects, rows: np.ndarray) -> Iterator[OddBox]:
    boxes = objects.boxes[rows]
    for top in range(0, len(rows), _ROWS_AT_ONCE):
        overlaps = iou(boxes[top : top + _ROWS_AT_ONCE, None], boxes[None])
        for i, j in np.argwhere(np.triu(overlaps, k=top + 1) >= NEARLY_EQUAL):
            yield OddBox(int(rows[top + i]), float(overlaps[i, j]), int(rows[j]))


def _highest(values: np.ndarray, count: int) -> list[OddBox]:
    order = np.argsort(-values, kind="stable")[:count]
    return [OddBox(int(row), float(values[row])) for row in order]
