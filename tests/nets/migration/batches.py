"""Batches of objects, and the logits of an imitated network in training."""

from typing import NamedTuple

import numpy as np

from nets.decode import decode
from tests.helpers.yolov4 import COCO_ANCHORS, STRIDES
from utils.boxes import iou

IMAGES, OBJECTS, CLASSES = 4, 10, 20
SQUARE, WIDE = (416, 416), (320, 608)
LONGEST_SIDE = 300


class Batch(NamedTuple):
    """Logits and targets.

    Attributes:
        size: height and width of the input in pixels.
        boxes: float32 `[B, M, 4]`, xyxy, whole pixels.
        labels: int32 `[B, M]`.
        logits: of each level, finest first, float32 `[B, H, W, A, 5 + C]`.
    """

    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    logits: list[np.ndarray]


def make_batch(seed: int, size: tuple[int, int] = SQUARE, plain: bool = False) -> Batch:
    """A batch whose objects are 12 to 300 pixels wide and high.

    Boxes are the anchors in their cells, with noise. Confidence logits are -4 and rise by 6 times
    the largest IoU with an object; class logits are -2. Noise of 0.5 is added to all logits.

    Args:
        seed: of everything random.
        size: height and width of the input.
        plain: the center of every object is on a whole pixel and on no border of a cell.
    """
    rng = np.random.default_rng(seed)
    shape = (IMAGES, OBJECTS, 2)
    sides = np.exp(rng.uniform(np.log(12), np.log(LONGEST_SIDE), shape)).astype(int)
    corners = (rng.random(shape) * (np.array(size[::-1]) - sides)).astype(int)
    if plain:
        sides -= sides % 2
        corners += (corners + sides // 2) % min(STRIDES) == 0
    boxes = np.concatenate([corners, corners + sides], axis=-1).astype(np.float32)
    labels = rng.integers(0, CLASSES, (IMAGES, OBJECTS), dtype=np.int32)
    logits = []
    for stride, anchors in zip(STRIDES, np.split(COCO_ANCHORS, len(STRIDES)), strict=True):
        grid = (IMAGES, size[0] // stride, size[1] // stride, len(anchors))
        level = rng.normal(0, 0.5, (*grid, 5 + CLASSES)).astype(np.float32)
        predicted = np.asarray(decode([level], anchors.tolist(), [stride], [1])[0])
        overlap = iou(predicted[:, :, None], boxes[:, None]).max(axis=-1)
        level[..., 4] += 6 * np.reshape(overlap, grid) - 4
        level[..., 5:] -= 2
        logits.append(level)
    return Batch(size, boxes, labels, logits)
