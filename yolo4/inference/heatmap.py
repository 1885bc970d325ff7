"""A heat map of the network's confidence over an image."""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from utils.letterbox import Letterbox


class HeatMap(NamedTuple):
    """Confidence over an image.

    Attributes:
        grid: float32 `[rows, columns]` in 0..1, over the network's input.
        fit: the position of the image in that input.
    """

    grid: np.ndarray
    fit: Letterbox

    def over_source(self) -> np.ndarray:
        """The confidence at each pixel of the source, float32 `[height, width]` in 0..1."""
        height, width = self.fit.input_size
        over_input = cv2.resize(self.grid, (width, height), interpolation=cv2.INTER_LINEAR)
        columns, rows = self.fit.resized
        top, left = self.fit.pad_y, self.fit.pad_x
        return cv2.resize(over_input[top : top + rows, left : left + columns], self.fit.source_size)


def confidence_grid(confidence: np.ndarray, grids: Sequence[tuple[int, int]]) -> np.ndarray:
    """The highest confidence of any predictor at each cell of the finest level.

    Args:
        confidence: `[N]` in the order of `nets.decode.anchor_grid`: level by level, row by row,
            cell by cell.
        grids: rows and columns of each level, finest level first.

    Returns:
        float32 `[rows, columns]` of the finest level.
    """
    anchors = len(confidence) // sum(rows * columns for rows, columns in grids)
    ends = np.cumsum([rows * columns * anchors for rows, columns in grids])
    levels = np.split(np.asarray(confidence, np.float32), ends[:-1])
    finest = np.zeros(grids[0], np.float32)
    for level, (rows, columns) in zip(levels, grids, strict=True):
        best = level.reshape(rows, columns, anchors).max(axis=2)
        upsampled = cv2.resize(best, grids[0][::-1], interpolation=cv2.INTER_LINEAR)
        finest = np.maximum(finest, upsampled)
    return finest


def draw_heat(image: np.ndarray, heat: HeatMap) -> np.ndarray:
    """Blend the confidence over an image as colors, from blue for 0 to red for 1.

    Args:
        image: uint8 `[H, W, 3]` RGB, the source of the map; it is not changed.
        heat: its heat map.

    Returns:
        uint8 `[H, W, 3]` RGB.
    """
    confidence = np.clip(heat.over_source(), 0, 1)
    colored = cv2.applyColorMap(np.rint(255 * confidence).astype(np.uint8), cv2.COLORMAP_JET)
    opacity = (0.35 + 0.35 * confidence)[..., None]
    return np.rint(image * (1 - opacity) + colored[..., ::-1] * opacity).astype(np.uint8)
