"""Preview images of a training: a training batch, and detections in validation images."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils.draw import draw_boxes
from utils.files.writing import write_atomically
from utils.image import read_image
from utils.records import Detections, Record
from utils.training_data.dataset import Targets

_MAX_IMAGES = 16
_TILE = 416


def save_batch(path: Path, images: np.ndarray, targets: Targets, names: Sequence[str]) -> None:
    """Write the images of a training batch with their boxes as one PNG.

    Args:
        path: the PNG file.
        images: uint8 `[B, H, W, 3]` RGB.
        targets: `boxes`, `labels` and `difficult` of the batch; difficult objects are not drawn.
        names: class names.
    """
    drawn = []
    shown = (targets["labels"] >= 0) & ~targets["difficult"]
    for row, pixels in enumerate(images[:_MAX_IMAGES]):
        boxes, labels = (targets[name][row][shown[row]] for name in ("boxes", "labels"))
        image, scale = _fit(pixels)  # captions drawn at a small input size would hide the objects
        drawn.append(draw_boxes(image, boxes * scale, labels, names))
    _save_grid(path, drawn)


def save_detections(
    path: Path,
    records: Sequence[Record],
    detections: Sequence[Detections],
    names: Sequence[str],
    threshold: float,
) -> None:
    """Write the first images of a split with their detections as one PNG.

    Args:
        path: the PNG file.
        records: the images.
        detections: those of each image.
        names: class names.
        threshold: lowest score of a detection that is drawn.
    """
    drawn = []
    for record, detected in list(zip(records, detections, strict=True))[:_MAX_IMAGES]:
        shown = detected.scores >= threshold
        image, scale = _fit(read_image(record.image))
        boxes = detected.boxes[shown] * scale
        drawn.append(
            draw_boxes(image, boxes, detected.labels[shown], names, detected.scores[shown])
        )
    _save_grid(path, drawn)


def spread_over_images(records: Sequence[Record], count: int) -> list[int]:
    """Indices of at most so many images, spread evenly over those that have objects.

    Equal records give equal indices. Without objects, they are spread over all.
    """
    with_objects = [i for i, record in enumerate(records) if not record.difficult.all()]
    indices = with_objects or list(range(len(records)))
    chosen = np.linspace(0, len(indices) - 1, min(count, len(indices))).round().astype(int)
    return [indices[i] for i in chosen.tolist()]


def _fit(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Resize an image to a tile of the grid, so that labels stay legible; also return the scale."""
    scale = _TILE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def _save_grid(path: Path, images: Sequence[np.ndarray]) -> None:
    """Write images that `_fit` has resized, in rows, as one PNG."""
    columns = math.ceil(math.sqrt(len(images)))
    height, width = (max(image.shape[axis] for image in images) + 4 for axis in (0, 1))
    grid = np.full((math.ceil(len(images) / columns) * height, columns * width, 3), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = index // columns * height, index % columns * width
        grid[top : top + image.shape[0], left : left + image.shape[1]] = image
    ok, data = cv2.imencode(".png", cv2.cvtColor(grid, cv2.COLOR_RGB2BGR))
    assert ok, "OpenCV encodes any 8-bit image as PNG"
    write_atomically(path, data.tobytes())
