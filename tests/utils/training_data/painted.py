"""Images with painted objects, whose boxes can be found again."""

from pathlib import Path

import cv2
import numpy as np

from utils.records import Record
from utils.training_data.augment import Augmentation

OFF = Augmentation(
    mosaic=0, mixup=0, flip=0, scale=0, translate=0, hue=0, saturation=0, value=0
)  # fmt: skip
SIZES = [(320, 240), (240, 320), (700, 500), (200, 200), (416, 300), (260, 900), (500, 180)]
# Fully saturated, so that no blend with black, gray or each other looks like one of them.
COLORS = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
]  # fmt: skip


def write(folder: Path, number: int, size, boxes, colors=None, difficult=None) -> Record:
    """Write a black image with filled rectangles and annotate them."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    colors = [COLORS[number % 7]] * len(boxes) if colors is None else colors
    for (x1, y1, x2, y2), color in zip(boxes.astype(int), colors, strict=True):
        image[y1:y2, x1:x2] = color
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), image[:, :, ::-1])
    labels = np.full(len(boxes), number, np.int32)
    difficult = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult)
    return Record(path, size, boxes, labels, difficult)


def bounds(mask: np.ndarray) -> np.ndarray:
    """The box around the set pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def compare_painted(sample, tolerance=1.5) -> int:
    """Compare each returned box with the colored region in the returned image."""
    compared = 0
    for label, color in enumerate(COLORS):
        mask = np.abs(sample.image.astype(int) - color).max(axis=2) < 100
        boxes = sample.boxes[sample.labels == label]
        if len(boxes) == 0:
            assert mask.sum() < 20, "an object is seen that has no box"
        elif len(boxes) == 1 and (boxes[0, 2:] - boxes[0, :2]).min() > 3:
            np.testing.assert_allclose(bounds(mask), boxes[0], atol=tolerance)
            compared += 1
    return compared
