"""The loss of bubbliiiing/yolov4-tf2 in NumPy, float64, from its description in docs/migration.md.

It shares no code with `nets`. Boxes are center and sides, `[..., 4]`.
"""

from typing import NamedTuple

import numpy as np

from tests.helpers.yolov4 import COCO_ANCHORS, STRIDES
from tests.nets.migration.batches import CLASSES

ANCHORS = np.split(COCO_ANCHORS.astype(float), len(STRIDES))
IGNORE_THRESHOLD = 0.5
ALPHA, GAMMA = 0.25, 2
BALANCE = (4, 1, 0.4)
BOX, CLASS = 0.05, CLASSES / 80
FOCAL = 10


def confidence_factor(size, focal):
    return 5 * size[0] * size[1] / 416**2 * (FOCAL if focal else 1)


class Sums(NamedTuple):
    """The sums over one level of a batch, and the predictors that they are divided by."""

    box: float
    confidence: float
    classes: float
    positives: int
    negatives: int


class Targets(NamedTuple):
    """What the N predictors of one level have to predict.

    Attributes:
        positive: bool `[B, N]`.
        boxes: `[B, N, 4]`, fractions of the input.
        classes: `[B, N, C]`, 0 or 1.
    """

    positive: np.ndarray
    boxes: np.ndarray
    classes: np.ndarray


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def iou(a, b):
    low = np.maximum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.minimum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    common = np.maximum(high - low, 0).prod(-1)
    return common / (a[..., 2:].prod(-1) + b[..., 2:].prod(-1) - common)


def ciou(a, b):
    low = np.minimum(a[..., :2] - a[..., 2:] / 2, b[..., :2] - b[..., 2:] / 2)
    high = np.maximum(a[..., :2] + a[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2)
    distance = np.square(a[..., :2] - b[..., :2]).sum(-1) / np.square(high - low).sum(-1)
    angle_a, angle_b = (np.arctan2(box[..., 2], box[..., 3]) for box in (a, b))
    aspect = 4 / np.pi**2 * np.square(angle_a - angle_b)
    return iou(a, b) - distance - aspect**2 / (1 - iou(a, b) + aspect)


def cross_entropy(logits, targets):
    return np.logaddexp(0, logits) - targets * logits


def focal_loss(logits, targets):
    wrong = np.where(targets, 1 - sigmoid(logits), sigmoid(logits))
    alpha = np.where(targets, ALPHA, 1 - ALPHA)
    return alpha * wrong**GAMMA * cross_entropy(logits, targets)


def smoothed(targets, smoothing):
    return targets * (1 - smoothing) + smoothing / CLASSES


def decoded(logits, level, size):
    """Boxes `[B, N, 4]` of one level, fractions of the input."""
    batch, rows, columns = logits.shape[:3]
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)[:, :, None]
    centers = (sigmoid(logits[..., :2]) + cells) / [columns, rows]
    sides = np.exp(logits[..., 2:4]) * ANCHORS[level] / size[::-1]
    return np.concatenate([centers, sides], axis=-1).reshape(batch, -1, 4)


def predictor_of(box, size):
    """Level, index in the level and target of the predictor for an xyxy box in pixels."""
    sides = box[2:] - box[:2]
    common = np.minimum(sides, ANCHORS).prod(-1)
    fit = common / (sides.prod() + np.prod(ANCHORS, axis=-1) - common)
    level, anchor = np.unravel_index(fit.argmax(), fit.shape)
    rows, columns = np.array(size) // STRIDES[level]
    target = np.concatenate([(box[:2] + box[2:]) // 2, sides]) / np.tile(size[::-1], 2)
    column, row = (np.float32(target[:2]).astype(float) * [columns, rows]).astype(int)
    return level, (row * columns + column) * len(ANCHORS[level]) + anchor, target


def targets_of(batch):
    """The targets of each level; of two objects of one predictor, the later one's box counts."""
    levels = []
    for logits in batch.logits:
        shape = (len(logits), int(np.prod(logits.shape[1:4])))
        parts = np.zeros(shape, bool), np.zeros((*shape, 4)), np.zeros((*shape, CLASSES))
        levels.append(Targets(*parts))
    for image, objects in enumerate(batch.boxes.astype(float)):
        for box, label in zip(objects, batch.labels[image], strict=True):
            level, predictor, target = predictor_of(box, batch.size)
            levels[level].positive[image, predictor] = True
            levels[level].boxes[image, predictor] = target
            levels[level].classes[image, predictor, label] = 1
    return levels


def level_sums(batch, focal=False, smoothing=0.0):
    """The sums of each level."""
    sums = []
    for level, targets in enumerate(targets_of(batch)):
        logits, positive = batch.logits[level].astype(float), targets.positive
        predicted = decoded(logits, level, batch.size)
        logits = logits.reshape(*positive.shape, -1)
        ignored = np.zeros_like(positive)
        for image, boxes in enumerate(predicted):
            for box in targets.boxes[image, positive[image]]:
                ignored[image] |= iou(boxes, box) >= IGNORE_THRESHOLD
        negative = ~positive & ~ignored
        confidence = (focal_loss if focal else cross_entropy)(logits[..., 4], positive)
        classes = smoothed(targets.classes[positive], smoothing)
        sums.append(
            Sums(
                (1 - ciou(predicted[positive], targets.boxes[positive])).sum(),
                confidence[positive | negative].sum(),
                cross_entropy(logits[positive, 5:], classes).sum(),
                positive.sum(),
                negative.sum(),
            )
        )
    return sums


def tf2_terms(sums, size, focal=False):
    """Their box, confidence and class terms of the sums of each level."""
    terms = dict.fromkeys(("box", "confidence", "class"), 0.0)
    for level, balance in zip(sums, BALANCE, strict=True):
        positives, negatives = max(level.positives, 1), max(level.negatives, 1)
        weight = balance * confidence_factor(size, focal)
        terms["box"] += BOX * level.box / positives
        terms["confidence"] += weight * level.confidence / (positives + negatives)
        terms["class"] += CLASS * level.classes / CLASSES / positives
    return terms
