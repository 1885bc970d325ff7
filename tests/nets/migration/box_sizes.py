"""How large the differences of the box term are, in the words of docs/migration.md."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets import boxes as overlaps
from nets.decode import AnchorGrid, decode_boxes
from tests.helpers.yolov4 import SCALE_X_Y
from tests.nets.migration.batches import IMAGES, OBJECTS, SQUARE, WIDE
from tests.nets.migration.measured import (
    MORE_SEEDS,
    SEEDS,
    batch_of,
    ours,
    percent,
    span,
    theirs,
    total,
)
from tests.nets.migration.our_loss import assigned, criterion_of, targets
from tests.nets.migration.their_loss import ciou, decoded, targets_of


def center():
    moved, box = [], []
    for seed in SEEDS:
        batch = batch_of(seed, SQUARE, False)
        mine = criterion_of().match(targets(batch), batch.logits).assignment.positive
        positive = np.concatenate([level.positive for level in targets_of(batch)], axis=1)
        assert positive.sum() == batch.labels.size
        moved.append(int((positive & (np.asarray(mine) == 0)).sum()))
        box.append(total(ours(seed, False), "box") / total(theirs(seed, False), "box"))
    cells = f"{span(moved, 'd')} of {IMAGES * OBJECTS} objects in another cell"
    return f"{cells}; box {percent(box, '+.1f')}"


def two_objects_on_one_predictor():
    objects = len(MORE_SEEDS) * IMAGES * OBJECTS
    found = [targets_of(batch_of(seed, SQUARE, False)) for seed in MORE_SEEDS]
    lost = objects - sum(level.positive.sum() for levels in found for level in levels)
    return f"{lost} of {objects} objects"


def corners(boxes):
    return np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)


def unit_of_ciou(size, seeds):
    """The box term of boxes in pixels, relative to that of fractions of the input."""
    ratios = []
    for seed in seeds:
        batch, pixels, fractions = batch_of(seed, size, True), 0.0, 0.0
        for level, (positive, objects, _) in enumerate(targets_of(batch)):
            pair = [decoded(batch.logits[level], level, size)[positive], objects[positive]]
            fractions += (1 - ciou(*pair)).sum()
            in_pixels = (corners(boxes * np.tile(size[::-1], 2)) for boxes in pair)
            pixels += float(np.sum(1 - overlaps.ciou(*map(np.float32, in_pixels))))
        ratios.append(pixels / fractions)
    return ratios


def gradient_through_alpha(seed):
    """How far the gradient through CIoU's alpha is from ours, relative to ours."""
    batch = batch_of(seed, SQUARE, True)
    match = criterion_of().match(targets(batch), batch.logits)
    found = assigned(match)
    grid = AnchorGrid(*(np.asarray(part)[found.predictor] for part in match.grid))
    raw = tf.constant(np.asarray(match.flat)[found.image, found.predictor, :4])
    objects = batch.boxes[found.image, found.object_index]

    def gradient(overlap, **options):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            loss = tf.reduce_sum(1 - overlap(decode_boxes(raw, grid), objects, **options))
        return np.asarray(tape.gradient(loss, raw))

    mine = gradient(overlaps.ciou)
    through = gradient(keras.utils.bounding_boxes.compute_ciou, bounding_box_format="xyxy")
    return np.linalg.norm(through - mine) / np.linalg.norm(mine)


def complete_iou():
    assert unit_of_ciou(SQUARE, SEEDS) == pytest.approx([1] * len(SEEDS), rel=1e-5)
    gradients = span([100 * gradient_through_alpha(seed) for seed in SEEDS], ".0f")
    return (
        f"box {percent(unit_of_ciou(WIDE, MORE_SEEDS), '+.1f')} at 320x608, none at 416x416; "
        f"gradient of the box term {gradients}%"
    )


def siou():
    return "here too" if hasattr(overlaps, "siou") else ""


def offset_in_the_cell():
    # At the far side of the cell, where sigmoid is 1.
    return f"up to {max((scale - 1) / 2 for scale in SCALE_X_Y):.1f} of a cell"
