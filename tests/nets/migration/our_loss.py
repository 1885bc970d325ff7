"""The sums of this project's loss, level by level, of its assignment and elementwise functions."""

from typing import NamedTuple

import numpy as np

from nets.assign import ignored
from nets.boxes import ciou
from nets.losses import Match, YOLOv4Loss, bce
from tests.helpers.losses import arm
from tests.helpers.yolov4 import COCO_ANCHORS, STRIDES, make_loss
from tests.nets.migration.batches import CLASSES, Batch
from tests.nets.migration.their_loss import IGNORE_THRESHOLD, Sums, smoothed


class Assigned(NamedTuple):
    """The P predictors that are assigned to objects, each `[P]`.

    Attributes:
        image: index of the image.
        predictor: index of the predictor among those of all levels.
        object_index: index of the object in its image.
        level: index of the predictor's level.
    """

    image: np.ndarray
    predictor: np.ndarray
    object_index: np.ndarray
    level: np.ndarray


def criterion_of(name: str = "bce", **options) -> YOLOv4Loss:
    """The loss with the nearest settings."""
    options = {"ignore_threshold": IGNORE_THRESHOLD, **options}
    return make_loss(COCO_ANCHORS, arm(name), scale_x_y=(1, 1, 1), **options)


def targets(batch: Batch) -> dict[str, np.ndarray]:
    """The targets as the loss takes them."""
    nothing = np.zeros(batch.labels.shape, bool)
    return {"boxes": batch.boxes, "labels": batch.labels, "difficult": nothing}


def assigned(match: Match) -> Assigned:
    """Which predictors are assigned to which objects."""
    image, candidate = np.nonzero(match.assignment.is_assigned)
    predictor = np.asarray(match.assignment.predictor)[image, candidate]
    return Assigned(image, predictor, candidate // len(COCO_ANCHORS), level_of(match)[predictor])


def level_of(match: Match) -> np.ndarray:
    """The index of the level of each of the N predictors."""
    return np.searchsorted(STRIDES, np.asarray(match.grid.strides)[:, 0])


def our_sums(batch: Batch, name: str = "bce", **options) -> list[Sums]:
    """The sums of each level; options are those of `YOLOv4Loss`."""
    criterion = criterion_of(name, **options)
    match = criterion.match(targets(batch), batch.logits)
    return _sums(batch, criterion, match, match.loss_mask, np.ones(4), 0.0)


def sums_by_their_rules(batch: Batch, name: str, smoothing: float) -> list[Sums]:
    """The sums of each level with their ignored negatives, unit of boxes and label smoothing."""
    criterion = criterion_of(name)
    match = criterion.match(targets(batch), batch.logits)
    mask = _mask_of_own_level(batch, match)
    return _sums(batch, criterion, match, mask, np.tile(batch.size[::-1], 2), smoothing)


def _mask_of_own_level(batch: Batch, match: Match) -> np.ndarray:
    """0 for negatives that overlap an object that is assigned to their own level, else 1."""
    found, levels = assigned(match), level_of(match)
    mask = np.ones(match.loss_mask.shape, np.float32)
    for level in range(len(STRIDES)):
        objects = np.zeros(batch.labels.shape, bool)
        own = found.level == level
        objects[found.image[own], found.object_index[own]] = True
        ignore = np.asarray(ignored(match.predicted, batch.boxes, objects, IGNORE_THRESHOLD))
        mask[:, levels == level] = ~ignore[:, levels == level]
    return np.maximum(mask, match.assignment.positive)


def _sums(batch, criterion, match, mask, unit, smoothing):
    found, levels, mask = assigned(match), level_of(match), np.asarray(mask)
    boxes = np.asarray(match.predicted)[found.image, found.predictor]
    objects = batch.boxes[found.image, found.object_index]
    box = 1 - ciou(np.float32(boxes / unit), np.float32(objects / unit))
    confidence = criterion.confidence(match.flat[..., 4], match.assignment.positive, mask)
    classes = _class_values(batch, found, smoothing)
    box, confidence, classes = (np.asarray(x, float) for x in (box, confidence, classes))
    sums = []
    for level in range(len(STRIDES)):
        own = found.level == level
        counted = mask[:, levels == level].sum() - own.sum()
        of_all = confidence[:, levels == level].sum()
        sums.append(Sums(box[own].sum(), of_all, classes[own].sum(), own.sum(), counted))
    return sums


def _class_values(batch, found, smoothing):
    """Cross entropy with targets between 0 and 1, from that with targets 0 and 1: `[P, C]`."""
    logits = np.concatenate([x.reshape(len(x), -1, 5 + CLASSES) for x in batch.logits], axis=1)
    logits = logits[found.image, found.predictor, 5:]
    labels = batch.labels[found.image, found.object_index]
    target = np.float32(smoothed(np.eye(CLASSES)[labels], smoothing))
    one, zero = np.ones_like(target), np.zeros_like(target)
    return target * np.asarray(bce(logits, one)) + (1 - target) * np.asarray(bce(logits, zero))
