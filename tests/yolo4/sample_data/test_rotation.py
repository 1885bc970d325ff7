"""Drawings are rotated to the same pixels by every version of OpenCV: those computed by hand."""

import math

import numpy as np
import pytest

from yolo4.sample_data.rotation import rotate

pytestmark = pytest.mark.quick

SHRINK = 0.96


def drawing(side, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 4), np.uint8)
    return pixels[..., :3].copy(), pixels[..., 3].copy()


def source_of(x, y, side, angle):
    """Where a pixel of the result is in the drawing, in 32nds of a pixel.

    Each of its terms is rounded to a 1024th, and their sum to the nearest 32nd.
    """
    cosine, sine = (f(math.radians(angle)) / SHRINK for f in (math.cos, math.sin))
    center = side / 2
    column = round(1024 * cosine * x), round(1024 * (-sine * y + center * (1 - cosine + sine)))
    row = round(1024 * sine * x), round(1024 * (cosine * y + center * (1 - sine - cosine)))
    return ((sum(terms) + 16) // 32 for terms in (column, row))


def expected(layer, angle, is_continued):
    side, result = len(layer), np.zeros_like(layer)

    def at(row, column):
        if is_continued:
            row, column = (min(max(place, 0), side - 1) for place in (row, column))
        inside = 0 <= row < side and 0 <= column < side
        return layer[row, column].astype(int) if inside else 0

    for y in range(side):
        for x in range(side):
            (column, right), (row, down) = (divmod(v, 32) for v in source_of(x, y, side, angle))
            upper = at(row, column) * (32 - right) + at(row, column + 1) * right
            lower = at(row + 1, column) * (32 - right) + at(row + 1, column + 1) * right
            result[y, x] = (upper * (32 - down) + lower * down + 512) // 1024
    return result


@pytest.mark.parametrize("side", [24, 37])
@pytest.mark.parametrize("angle", [0.0, 33.3, -71.9, 180.0])
def test_each_pixel_is_the_mean_of_four_by_whole_weights(side, angle):
    color, alpha = drawing(side)
    rotated = rotate(color, alpha, angle)
    np.testing.assert_array_equal(rotated[0], expected(color, angle, is_continued=True))
    np.testing.assert_array_equal(rotated[1], expected(alpha, angle, is_continued=False))


def test_the_drawing_turns_counterclockwise():
    color, alpha = drawing(40)
    alpha[:] = 0
    alpha[18:22, 30:38] = 255  # at the right
    _, rotated = rotate(color, alpha, 90)
    rows, columns = np.nonzero(rotated > 127)
    assert rows.max() < 12, "at the top"
    assert abs(columns.mean() - 20) < 1
