"""Which predictors are assigned to which object, and which negatives are ignored."""

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from nets import Tensor
from nets.boxes import intersection_union


class Assignment(NamedTuple):
    """The predictors assigned to the objects of a batch.

    Each image has `K = L * A * M` candidates: each of the M objects with each of the A anchors of
    the L levels.

    Attributes:
        predictor: int32 `[B, K]`, index into the N predictors of the flat logits.
        is_assigned: bool `[B, K]`, whether the predictor is assigned to the object.
        positive: float32 `[B, N]`, 1 for predictors that are assigned to an object.
        ignored_difficult: float32 `[B, N]`, 1 for predictors that are assigned to no object but
            would be to a difficult one.
    """

    predictor: Tensor
    is_assigned: Tensor
    positive: Tensor
    ignored_difficult: Tensor


def shape_iou(sides: Tensor, anchors: Tensor) -> Tensor:
    """IoU of objects and anchors that share their center.

    Args:
        sides: width and height of objects, `[..., 2]`.
        anchors: width and height, `[A, 2]`.

    Returns:
        `[..., A]`.
    """
    sides = sides[..., None, :]
    common = ops.prod(ops.minimum(sides, anchors), axis=-1)
    return common / (ops.prod(sides, axis=-1) + ops.prod(anchors, axis=-1) - common)


def assign(
    boxes: Tensor,
    present: Tensor,
    difficult: Tensor,
    anchors: Sequence[Sequence[float]],
    strides: Sequence[int],
    grids: Sequence[tuple[int, int]],
    match_threshold: float | None,
) -> Assignment:
    """Assign predictors to each object.

    An object is assigned to the predictors in the cell of its center whose anchor is the best of
    all by shape IoU, or has a shape IoU above `match_threshold` (Darknet's iou_thresh). If several
    levels have the best anchor, the object is assigned in each of them. A predictor is assigned to
    one object at most: an object whose best anchor it has comes first, then the one with the higher
    shape IoU, then the one listed first.

    Args:
        boxes: objects `[B, M, 4]`, xyxy in input pixels.
        present: bool `[B, M]`, false for padding.
        difficult: bool `[B, M]`, objects that are not assigned.
        anchors: `[L * A, 2]`, width and height in input pixels, A for each level in turn.
        strides: input pixels per cell of each of the L levels.
        grids: rows and columns of each level.
        match_threshold: shape IoU above which anchors other than the best match; None: only the
            best matches.
    """
    overlap = shape_iou(boxes[..., 2:] - boxes[..., :2], ops.cast(anchors, "float32"))
    equal = ops.cast([[tuple(a) == tuple(b) for b in anchors] for a in anchors], "bool")
    best = ops.take(equal, ops.argmax(overlap, axis=-1), axis=0)
    matched = best if match_threshold is None else best | (overlap > match_threshold)
    matched = matched & present[..., None]
    hard = ops.broadcast_to(difficult[..., None], ops.shape(matched))
    predictor = _predictor_of(boxes, len(anchors), strides, grids)
    rank = overlap + ops.cast(best, "float32")

    batch, objects = ops.shape(boxes)[:2]
    shape = (batch, objects * len(anchors))
    predictor, matched, hard, rank = (
        ops.reshape(x, shape) for x in (predictor, matched, hard, rank)
    )
    total = sum(rows * columns for rows, columns in grids) * len(anchors) // len(grids)
    is_assigned = _one_object_each(predictor, matched & ~hard, rank, total)
    claim = ops.where(is_assigned, 2.0, ops.cast(matched & hard, "float32"))
    strongest = _best_of_predictor(claim, predictor, total)
    positive, ignored_difficult = (ops.cast(strongest == value, "float32") for value in (2.0, 1.0))
    return Assignment(predictor, is_assigned, positive, ignored_difficult)


def _predictor_of(
    boxes: Tensor,
    anchor_count: int,
    strides: Sequence[int],
    grids: Sequence[tuple[int, int]],
) -> Tensor:
    """Index of each anchor's predictor in the cell of each object's center, `[B, M, L * A]`."""
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    per_level = anchor_count // len(grids)
    first, indices = 0, []
    for stride, (rows, columns) in zip(strides, grids, strict=True):
        # A center on the far edge of the image belongs to the last cell.
        column = ops.clip(ops.cast(center[..., 0] // stride, "int32"), 0, columns - 1)
        row = ops.clip(ops.cast(center[..., 1] // stride, "int32"), 0, rows - 1)
        cell = first + (row * columns + column) * per_level
        indices.append(cell[..., None] + ops.arange(per_level, dtype="int32"))
        first += rows * columns * per_level
    return ops.concatenate(indices, axis=-1)


def _best_of_predictor(values: Tensor, predictor: Tensor, total: int) -> Tensor:
    """The largest value of each predictor's candidates: `[B, K]` to `[B, N]`."""
    batch = ops.shape(values)[0]
    image = ops.arange(batch, dtype="int32")[:, None]
    flat = ops.reshape(image * total + predictor, (-1,))
    largest = ops.segment_max(ops.reshape(values, (-1,)), flat, num_segments=batch * total)
    return ops.reshape(largest, (batch, total))


def _one_object_each(predictor: Tensor, matched: Tensor, rank: Tensor, total: int) -> Tensor:
    """Of each predictor's matched candidates, keep the first of those with the highest rank."""
    for value in (rank, -ops.cast(ops.arange(ops.shape(rank)[1]), "float32")[None]):
        value = ops.where(matched, value, -1e9)
        highest = _best_of_predictor(value, predictor, total)
        taken = ops.take_along_axis(highest, predictor, axis=1)
        # A compiler may compute `value` again for either side, with different rounding.
        matched = matched & (value >= taken - 1e-5)
    return matched


def ignored(predicted: Tensor, objects: Tensor, present: Tensor, threshold: float) -> Tensor:
    """Predictors that overlap any object of their image by more than `threshold`.

    Args:
        predicted: boxes `[B, N, 4]`, xyxy.
        objects: boxes `[B, M, 4]`, xyxy, including difficult ones.
        present: bool `[B, M]`, false for padding.
        threshold: IoU.

    Returns:
        bool `[B, N]`.
    """
    # Predictors come last: a compiler vectorizes over the many predictors, not the few objects.
    # Multiplying by the union is faster than dividing by it.
    common, union = intersection_union(objects[:, :, None], predicted[:, None])
    return ops.any((common > threshold * union) & present[:, :, None], axis=1)
