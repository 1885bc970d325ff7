"""From logits to boxes, confidences and class scores."""

from collections.abc import Sequence
from typing import NamedTuple

from keras import ops

from nets import Tensor

_LARGEST_LOG_SIDE = 8.0  # 3000 times the anchor's side; far beyond that, exp would overflow


class AnchorGrid(NamedTuple):
    """Position and anchor of each of the N predictors, in the order of the flat logits.

    Attributes:
        cells: `[N, 2]`, column and row of the cell.
        strides: `[N, 1]`, side of the cell in input pixels.
        scales: `[N, 1]`, `scale_x_y`.
        anchors: `[N, 2]`, width and height of the anchor in input pixels.
    """

    cells: Tensor
    strides: Tensor
    scales: Tensor
    anchors: Tensor


def anchor_grid(
    grids: Sequence[tuple[int, int]],
    anchors: Sequence[Sequence[float]],
    strides: Sequence[int],
    scale_x_y: Sequence[float],
) -> AnchorGrid:
    """Lay out the predictors of all levels, level by level, row by row, cell by cell.

    Args:
        grids: rows and columns of each of the L levels.
        anchors: `[L * A, 2]`, width and height in input pixels, A for each level in turn.
        strides: input pixels per cell of each level.
        scale_x_y: grid sensitivity of each level.

    Returns:
        N predictors, the sum of `rows * columns * A` over the levels.
    """
    per_level = len(anchors) // len(grids)
    cells, sides, scales, sizes = [], [], [], []
    for level, (rows, columns) in enumerate(grids):
        column, row = ops.meshgrid(ops.arange(columns), ops.arange(rows))
        cell = ops.reshape(ops.stack([column, row], axis=-1), (-1, 1, 2))
        cell = ops.reshape(ops.tile(cell, (1, per_level, 1)), (-1, 2))
        cells.append(ops.cast(cell, "float32"))
        count = rows * columns
        level_anchors = ops.cast(anchors[level * per_level : (level + 1) * per_level], "float32")
        sizes.append(ops.tile(level_anchors, (count, 1)))
        sides.append(ops.full((count * per_level, 1), float(strides[level])))
        scales.append(ops.full((count * per_level, 1), float(scale_x_y[level])))
    return AnchorGrid(*(ops.concatenate(parts) for parts in (cells, sides, scales, sizes)))


def flatten(logits: Sequence[Tensor]) -> Tensor:
    """Logits of all levels, each `[B, H, W, A, 5 + C]`, as one float32 `[B, N, 5 + C]`."""
    depth = logits[0].shape[-1]
    return ops.concatenate(
        [
            ops.reshape(ops.cast(level, "float32"), (ops.shape(level)[0], -1, depth))
            for level in logits
        ],
        axis=1,
    )


def grids(logits: Sequence[Tensor]) -> list[tuple[int, int]]:
    """Rows and columns of each level."""
    return [tuple(ops.shape(level)[1:3]) for level in logits]


def decode_boxes(raw: Tensor, grid: AnchorGrid) -> Tensor:
    """Boxes from logits (Redmon and Farhadi 2018, YOLOv3, section 2.1, with `scale_x_y`).

    Args:
        raw: tx, ty, tw, th, `[..., 4]`.
        grid: the predictors, whose arrays broadcast against `raw`.

    Returns:
        xyxy in input pixels, `[..., 4]`.
    """
    offset = ops.sigmoid(raw[..., :2]) * grid.scales - (grid.scales - 1) / 2
    centers = (grid.cells + offset) * grid.strides
    half = ops.exp(ops.minimum(raw[..., 2:4], _LARGEST_LOG_SIDE)) * grid.anchors / 2
    return ops.concatenate([centers - half, centers + half], axis=-1)


def decode(
    logits: Sequence[Tensor],
    anchors: Sequence[Sequence[float]],
    strides: Sequence[int],
    scale_x_y: Sequence[float],
) -> tuple[Tensor, Tensor, Tensor]:
    """Box, confidence and class scores of every predictor.

    Args:
        logits: of each level, `[B, H, W, A, 5 + C]`.
        anchors: `[L * A, 2]`, width and height in input pixels.
        strides: input pixels per cell of each level.
        scale_x_y: grid sensitivity of each level.

    Returns:
        Boxes `[B, N, 4]`, xyxy in input pixels; confidence `[B, N]`; class scores `[B, N, C]`.
    """
    flat = flatten(logits)
    grid = anchor_grid(grids(logits), anchors, strides, scale_x_y)
    boxes = decode_boxes(flat[..., :4], grid)
    return boxes, ops.sigmoid(flat[..., 4]), ops.sigmoid(flat[..., 5:])
