"""Overlap of boxes. All boxes are xyxy; arguments broadcast against each other."""

import math

from keras import ops

from nets import Tensor

_EPSILON = 1e-7


def area(boxes: Tensor) -> Tensor:
    """Area of boxes `[..., 4]`: `[...]`, zero if a side is negative."""
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def intersection_union(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of the intersection and of the union of boxes `[..., 4]`."""
    sides = ops.maximum(
        ops.minimum(a[..., 2:], b[..., 2:]) - ops.maximum(a[..., :2], b[..., :2]), 0
    )
    intersection = sides[..., 0] * sides[..., 1]
    return intersection, area(a) + area(b) - intersection


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes `[..., 4]`, 0 for boxes without area."""
    intersection, union = intersection_union(a, b)
    return intersection / ops.maximum(union, _EPSILON)


def _enclosing_sides(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    sides = ops.maximum(a[..., 2:], b[..., 2:]) - ops.minimum(a[..., :2], b[..., :2])
    return sides[..., 0], sides[..., 1]


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalized IoU (Rezatofighi et al. 2019, algorithm 1) of boxes `[..., 4]`, in -1..1."""
    intersection, union = intersection_union(a, b)
    width, height = _enclosing_sides(a, b)
    enclosing = ops.maximum(width * height, _EPSILON)
    return intersection / ops.maximum(union, _EPSILON) - (enclosing - union) / enclosing


def diou(a: Tensor, b: Tensor) -> Tensor:
    """Distance IoU (Zheng et al. 2020, eq. 7) of boxes `[..., 4]`, in -1..1."""
    width, height = _enclosing_sides(a, b)
    diagonal = ops.square(width) + ops.square(height)
    offset = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    distance = ops.sum(ops.square(offset), axis=-1)
    return iou(a, b) - distance / ops.maximum(diagonal, _EPSILON)


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU (Zheng et al. 2020, eq. 10 and 11) of boxes `[..., 4]`.

    The gradient does not flow through the weight of the aspect term, as in the paper.
    """
    difference = _aspect_angle(a) - _aspect_angle(b)
    aspect = 4 / math.pi**2 * ops.square(difference)
    weight = aspect / ops.maximum(1 - iou(a, b) + aspect, _EPSILON)
    return diou(a, b) - ops.stop_gradient(weight) * aspect


def _aspect_angle(boxes: Tensor) -> Tensor:
    sides = ops.maximum(boxes[..., 2:] - boxes[..., :2], _EPSILON)
    return ops.arctan(sides[..., 0] / sides[..., 1])
