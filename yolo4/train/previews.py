"""Pictures of a training: what the network is shown, and what it finds."""

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils.draw import draw_boxes
from utils.files import write_atomically
from utils.image import read_image
from utils.records import Detections, Record
from utils.training_data.dataset import Targets

_MOST_IMAGES = 16
_TILE = 416


def save_batch(path: Path, images: np.ndarray, targets: Targets, names: Sequence[str]) -> None:
    """Write the images of a training batch with their boxes as one PNG.

    Args:
        path: the PNG file.
        images: uint8 `[B, H, W, 3]` RGB.
        targets: `boxes`, `labels` and `difficult` of the batch; difficult objects are left out.
        names: class names.
    """
    drawn = []
    shown = (targets["labels"] >= 0) & ~targets["difficult"]
    for row, image in enumerate(images):
        boxes, labels = (targets[name][row][shown[row]] for name in ("boxes", "labels"))
        drawn.append(draw_boxes(image, boxes, labels, names))
    _save_grid(path, drawn)


def save_detections(
    path: Path,
    records: Sequence[Record],
    detections: Sequence[Detections],
    names: Sequence[str],
    threshold: float,
) -> None:
    """Write the first images of a split with what was found in them as one PNG.

    Args:
        path: the PNG file.
        records: the images.
        detections: what was found in each.
        names: class names.
        threshold: lowest score that is drawn.
    """
    drawn = []
    for record, found in list(zip(records, detections, strict=True))[:_MOST_IMAGES]:
        shown = found.scores >= threshold
        image, scale = _fit(read_image(record.image))
        boxes = found.boxes[shown] * scale
        drawn.append(draw_boxes(image, boxes, found.labels[shown], names, found.scores[shown]))
    _save_grid(path, drawn)


def _fit(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Shrink or enlarge to a tile of the grid, so that labels stay legible."""
    scale = _TILE / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def _save_grid(path: Path, images: Sequence[np.ndarray]) -> None:
    images = [_fit(image)[0] for image in images[:_MOST_IMAGES]]
    columns = math.ceil(math.sqrt(len(images)))
    height, width = (max(image.shape[axis] for image in images) + 4 for axis in (0, 1))
    grid = np.full((math.ceil(len(images) / columns) * height, columns * width, 3), 255, np.uint8)
    for place, image in enumerate(images):
        top, left = place // columns * height, place % columns * width
        grid[top : top + image.shape[0], left : left + image.shape[1]] = image
    ok, data = cv2.imencode(".png", cv2.cvtColor(grid, cv2.COLOR_RGB2BGR))
    assert ok, "OpenCV encodes any 8-bit image as PNG"
    write_atomically(path, data.tobytes())
