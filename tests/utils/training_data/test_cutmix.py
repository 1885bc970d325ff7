"""CutMix: which objects are left under a rectangle, by hand, and where its pixels come from."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.training_data.test_augment import OFF, smooth, source
from utils.training_data.augment import Augmentation
from utils.training_data.compose import Rectangle
from utils.training_data.cutmix import cover, cutmix

pytestmark = pytest.mark.quick


def test_covered_objects_by_hand():
    boxes = [
        [0, 0, 20, 20],  # apart
        [20, 30, 50, 50],  # its right part is hidden over its whole height: it ends at 40
        [70, 50, 90, 60],  # its left part is hidden: it begins at 80
        [50, 10, 60, 90],  # hidden in the middle: both ends are visible
        [30, 20, 50, 40],  # only a corner is hidden
        [45, 30, 60, 50],  # hidden
        [30, 40, 80, 50],  # 10 of 50 columns are visible, as many as needed
        [31, 40, 80, 50],  # 9 of 49 columns are visible
        [39.5, 50, 60, 60],  # half a column is visible
        [0, 80, 20, 99],  # apart, and difficult before
        [39.5, 50, 41, 60],  # a third is visible, but only half a column
    ]
    difficult = [False] * 9 + [True, False]
    sample = cover(source(smooth(100, 100), boxes, difficult), Rectangle(40, 30, 80, 70))
    assert sample.labels.tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(
        sample.boxes,
        [
            [0, 0, 20, 20],
            [20, 30, 40, 50],
            [80, 50, 90, 60],
            [50, 10, 60, 90],
            [30, 20, 50, 40],
            [30, 40, 40, 50],
            [31, 40, 40, 50],
            [39.5, 50, 40, 60],
            [0, 80, 20, 99],
            [39.5, 50, 40, 60],
        ],
    )
    assert sample.difficult.tolist() == [False] * 6 + [True] * 4


def covered_mask(box, rectangle):
    """The pixels of a box of whole pixels that a rectangle leaves visible."""
    mask = np.zeros((40, 40), bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    rectangle.of(mask)[:] = False
    return mask


@given(*[st.lists(st.integers(0, 40), min_size=2, max_size=2, unique=True).map(sorted)] * 4)
def test_a_box_is_that_of_the_visible_pixels(xs, ys, columns, rows):
    box, rectangle = (
        [xs[0], ys[0], xs[1], ys[1]],
        Rectangle(columns[0], rows[0], columns[1], rows[1]),
    )
    mask = covered_mask(box, rectangle)
    left = cover(source(smooth(40, 40), [box]), rectangle)
    assert len(left.labels) == mask.any()
    if mask.any():
        seen_rows, seen_columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        expected = [seen_columns[0], seen_rows[0], seen_columns[-1] + 1, seen_rows[-1] + 1]
        np.testing.assert_array_equal(left.boxes, [expected])
        area = (xs[1] - xs[0]) * (ys[1] - ys[0])
        if 5 * mask.sum() != area:  # 0.2 is not exact
            assert left.difficult[0] == (5 * mask.sum() < area)


def test_the_rectangle_shows_the_second_image_and_the_rest_the_first():
    first, second = source(smooth(96, 128)), source(smooth(96, 128, seed=1), [[0, 0, 128, 96]])
    shares = []
    for seed in range(400):
        result = cutmix(first, second, OFF, np.random.default_rng(seed))
        inside = np.zeros((96, 128), bool)
        if len(result.boxes):
            left, top, right, bottom = result.boxes[0].astype(int)
            inside[top:bottom, left:right] = True
        expected = np.where(inside[..., None], second.image, first.image)
        np.testing.assert_array_equal(result.image, expected)
        shares.append(inside.mean())
    np.testing.assert_array_equal(first.image, smooth(96, 128))
    # Of a side s = sqrt(u), centered uniformly, 1 - s / 4 lies inside on average, and its square is
    # s^2 - 5/12 s^3 on average. u is uniform, so that s^k is 2 / (k + 2) on average.
    mean, mean_square = 1 / 2 - 1 / 5 + 1 / 48, 1 / 3 - 10 / 12 * 2 / 7 + 25 / 144 / 4
    standard_error = math.sqrt((mean_square - mean**2) / len(shares))
    assert np.mean(shares) == pytest.approx(mean, abs=4 * standard_error)
    assert min(shares) < 0.05
    assert max(shares) > 0.8


def test_objects_of_the_pasted_part_are_cropped_as_in_any_tile():
    first = source(np.zeros((100, 100, 3), np.uint8))
    grid = [[x, y, x + 20, y + 20] for y in range(0, 100, 20) for x in range(0, 100, 20)]
    second = source(smooth(100, 100), grid)
    for seed in range(20):
        result = cutmix(first, second, OFF, np.random.default_rng(seed))
        whole = np.array(grid)[result.labels]
        assert (result.boxes[:, :2] >= whole[:, :2]).all()
        assert (result.boxes[:, 2:] <= whole[:, 2:]).all()
        areas = np.prod(result.boxes[:, 2:] - result.boxes[:, :2], axis=1)
        np.testing.assert_array_equal(result.difficult, areas < 0.2 * 400)


def test_the_second_image_is_varied_and_other_sizes_are_fine():
    first, second = source(smooth(64, 64)), source(smooth(300, 200, seed=1), [[50, 50, 150, 250]])
    varied = replace(Augmentation(), flip=1.0)
    for seed in range(20):
        result = cutmix(first, second, varied, np.random.default_rng(seed))
        again = cutmix(first, second, varied, np.random.default_rng(seed))
        np.testing.assert_array_equal(result.image, again.image)
        assert result.image.shape == (64, 64, 3)
        assert (result.boxes >= 0).all()
        assert (result.boxes <= 64).all()
