"""Which predictor answers for which object, and which negatives are left alone."""

from collections.abc import Sequence
from typing import NamedTuple

from keras import KerasTensor, ops

from nets.boxes import intersection_union
from nets.decode import STRIDES


class Assignment(NamedTuple):
    """The outcome for a batch with K = 9 M candidates an image, nine anchors of M objects.

    Attributes:
        predictor: int32 `[B, K]`, index into the N predictors of the flat logits.
        is_assigned: bool `[B, K]`, whether the predictor is assigned to the object.
        positive: float32 `[B, N]`, 1 for predictors that are assigned to an object.
        ignored_difficult: float32 `[B, N]`, 1 for others that a difficult object
            would be assigned to.
    """

    predictor: KerasTensor
    is_assigned: KerasTensor
    positive: KerasTensor
    ignored_difficult: KerasTensor


def shape_iou(sides: KerasTensor, anchors: KerasTensor) -> KerasTensor:
    """IoU of objects and anchors laid on one center.

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
    boxes: KerasTensor,
    present: KerasTensor,
    difficult: KerasTensor,
    anchors: Sequence[Sequence[float]],
    grids: Sequence[tuple[int, int]],
    match_threshold: float | None,
) -> Assignment:
    """Give each object the predictors that answer for it.

    Of the cell that holds an object's center, the best of all nine anchors by shape IoU answers,
    and every anchor whose shape IoU is above `match_threshold` (Darknet's iou_thresh). A predictor
    answers for one object at most: a best anchor wins over a further one, then the higher shape
    IoU, then the object listed first.

    Args:
        boxes: objects `[B, M, 4]`, xyxy in input pixels.
        present: bool `[B, M]`, false for padding.
        difficult: bool `[B, M]`, objects that no predictor answers for.
        anchors: `[9, 2]`, width and height in input pixels, three a level.
        grids: rows and columns of each level, strides 8, 16, 32.
        match_threshold: shape IoU above which further anchors answer; None: the best only.
    """
    overlap = shape_iou(boxes[..., 2:] - boxes[..., :2], ops.cast(anchors, "float32"))
    best = ops.one_hot(ops.argmax(overlap, axis=-1), len(anchors), dtype="bool")
    matched = best if match_threshold is None else best | (overlap > match_threshold)
    matched = matched & present[..., None]
    hard = ops.broadcast_to(difficult[..., None], ops.shape(matched))
    predictor = _predictor_of(boxes, len(anchors), grids)
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
    boxes: KerasTensor, anchor_count: int, grids: Sequence[tuple[int, int]]
) -> KerasTensor:
    """Index of the predictor of each anchor in the cell of each object's center, `[B, M, 9]`."""
    center = (boxes[..., :2] + boxes[..., 2:]) / 2
    per_level = anchor_count // len(grids)
    first, indices = 0, []
    for stride, (rows, columns) in zip(STRIDES, grids, strict=True):
        # A center on the far edge of the image belongs to the last cell.
        column = ops.clip(ops.cast(center[..., 0] // stride, "int32"), 0, columns - 1)
        row = ops.clip(ops.cast(center[..., 1] // stride, "int32"), 0, rows - 1)
        cell = first + (row * columns + column) * per_level
        indices.append(cell[..., None] + ops.arange(per_level, dtype="int32"))
        first += rows * columns * per_level
    return ops.concatenate(indices, axis=-1)


def _best_of_predictor(values: KerasTensor, predictor: KerasTensor, total: int) -> KerasTensor:
    """Largest of the candidates' values for each predictor: `[B, K]` to `[B, N]`."""
    batch = ops.shape(values)[0]
    image = ops.arange(batch, dtype="int32")[:, None]
    flat = ops.reshape(image * total + predictor, (-1,))
    largest = ops.segment_max(ops.reshape(values, (-1,)), flat, num_segments=batch * total)
    return ops.reshape(largest, (batch, total))


def _one_object_each(
    predictor: KerasTensor, matched: KerasTensor, rank: KerasTensor, total: int
) -> KerasTensor:
    """Keep, of the matched candidates of one predictor, the highest rank, then the first."""
    for value in (rank, -ops.cast(ops.arange(ops.shape(rank)[1]), "float32")[None]):
        value = ops.where(matched, value, -1e9)
        highest = _best_of_predictor(value, predictor, total)
        taken = ops.take_along_axis(highest, predictor, axis=1)
        # A compiler may compute `value` anew, in other roundings, on either side.
        matched = matched & (value >= taken - 1e-5)
    return matched


def ignored(
    predicted: KerasTensor, objects: KerasTensor, present: KerasTensor, threshold: float
) -> KerasTensor:
    """Predictors that overlap any object of their image by more than `threshold`.

    Args:
        predicted: boxes `[B, N, 4]`, xyxy.
        objects: boxes `[B, M, 4]`, xyxy, difficult ones too.
        present: bool `[B, M]`, false for padding.
        threshold: IoU.

    Returns:
        bool `[B, N]`.
    """
    # Predictors last: a compiler works on many in a row at once, but not on few objects. Of so
    # many pairs a product is compared sooner than a quotient.
    common, union = intersection_union(objects[:, :, None], predicted[:, None])
    return ops.any((common > threshold * union) & present[:, :, None], axis=1)
