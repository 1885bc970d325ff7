"""Images fit into the input in either way, and boxes are transformed in both directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.letterbox import Letterbox, fit_image
from utils.resize import fit_scale

pytestmark = pytest.mark.quick

sides = st.integers(1, 3000)
inputs = st.integers(1, 20).map(lambda n: 32 * n)
fractions = st.floats(0, 1, width=32)
resizes = st.sampled_from(["letterbox", "stretch"])


@given(sides, sides, inputs, inputs, resizes, st.lists(st.tuples(*[fractions] * 4), max_size=5))
def test_apply_then_invert_is_identity_inside_the_image(
    width, height, rows, columns, resize, corners
):
    fit = Letterbox.fit((width, height), (rows, columns), resize)
    boxes = np.array(corners, np.float32).reshape(-1, 4) * [width, height, width, height]
    moved = fit.apply(boxes)
    assert moved.dtype == np.float32
    assert moved.shape == boxes.shape
    # float32 input pixels: one part in 2**22 of the input, in source pixels
    tolerance = 1e-3 + max(columns * width / fit.resized[0], rows * height / fit.resized[1]) * 1e-6
    np.testing.assert_allclose(fit.invert(moved), boxes, atol=tolerance)


@given(sides, sides, inputs, inputs)
def test_fit_touches_two_sides_and_is_centered(width, height, rows, columns):
    fit = Letterbox.fit((width, height), (rows, columns))
    scale, _ = fit_scale((width, height), (rows, columns), "letterbox")
    x1, y1, x2, y2 = fit.apply(np.array([[0, 0, width, height]]))[0]
    assert fit.resized[0] == columns or fit.resized[1] == rows
    assert (x2 - x1, y2 - y1) == fit.resized
    assert 0 <= (columns - x2) - x1 <= 1
    assert 0 <= (rows - y2) - y1 <= 1
    assert abs(fit.resized[0] - width * scale) <= 1
    assert abs(fit.resized[1] - height * scale) <= 1


@given(sides, sides, inputs, inputs)
def test_a_stretched_image_fills_the_input(width, height, rows, columns):
    fit = Letterbox.fit((width, height), (rows, columns), "stretch")
    assert (fit.resized, fit.pad_x, fit.pad_y) == ((columns, rows), 0, 0)
    np.testing.assert_array_equal(fit.apply([[0, 0, width, height]]), [[0, 0, columns, rows]])


def test_letterbox_by_hand():
    image = np.full((100, 200, 3), 7, np.uint8)
    result, fit = fit_image(image, (64, 64))
    assert result.shape == (64, 64, 3)
    assert result.dtype == np.uint8
    assert fit_scale((200, 100), (64, 64), "letterbox") == (0.32, 0.32)
    assert (fit.resized, fit.pad_x, fit.pad_y) == ((64, 32), 0, 16)
    assert np.all(result[:16] == 128)
    assert np.all(result[16:48] == 7)
    assert np.all(result[48:] == 128)
    np.testing.assert_allclose(fit.apply(np.array([[50, 0, 200, 100]])), [[16, 16, 64, 48]])
    np.testing.assert_allclose(fit.invert(np.array([[-5, 0, 99, 47]])), [[0, 0, 200, 96.875]])


def test_stretch_by_hand():
    image = np.zeros((100, 200, 3), np.uint8)
    image[50:, 50:] = 7
    result, fit = fit_image(image, (64, 96), "stretch")
    assert (result.shape, result.dtype) == ((64, 96, 3), np.uint8)
    assert fit_scale((200, 100), (64, 96), "stretch") == (0.48, 0.64)
    assert np.all(result[32:, 24:] == 7)
    assert not result[:32].any()
    assert not result[:, :24].any()
    np.testing.assert_allclose(fit.apply(np.array([[50, 50, 200, 100]])), [[24, 32, 96, 64]])
    np.testing.assert_allclose(fit.invert(np.array([[-5, 16, 48, 99]])), [[0, 25, 100, 100]])


def resampling(old, new):
    """The weights `[new, old]` of pixels: averages if they become fewer, else linear."""
    if new < old:
        ends = np.arange(new + 1) * old / new
        overlaps = np.minimum(ends[1:, None], np.arange(1, old + 1)) - np.maximum(
            ends[:-1, None], np.arange(old)
        )
        return np.clip(overlaps, 0, None) * new / old
    centers = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
    return np.clip(1 - np.abs(centers[:, None] - np.arange(old)), 0, None)


@pytest.mark.parametrize(
    "shape", [(90, 140), (20, 300), (200, 31), (20, 31), (64, 200), (64, 31), (90, 96), (33, 96)]
)
def test_an_axis_that_shrinks_is_averaged_and_one_that_grows_is_interpolated(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    result, _ = fit_image(image, (64, 96), "stretch")
    rows, columns = resampling(shape[0], 64), resampling(shape[1], 96)
    expected = np.einsum("yh,hwc,xw->yxc", rows, image, columns)
    # Two roundings to whole numbers, and OpenCV's linear weights, which have 11 bits.
    np.testing.assert_allclose(result, expected, atol=1.5)


@pytest.mark.parametrize(
    ("source", "square", "trimmed", "pads"),
    [
        ((640, 480), (416, 416), (320, 416), (0, 4)),  # 416 x 312
        ((480, 640), (416, 416), (416, 320), (4, 0)),
        ((1000, 10), (416, 416), (32, 416), (0, 14)),  # 416 x 4
        ((640, 480), (320, 640), (320, 448), (10, 0)),  # 427 x 320
        ((300, 300), (320, 640), (320, 320), (0, 0)),
        ((416, 385), (416, 416), (416, 416), (0, 15)),  # one row more than 12 * 32
    ],
)
def test_trimming_by_hand(source, square, trimmed, pads):
    whole = Letterbox.fit(source, square)
    fit = whole.trimmed(32)
    assert (fit.input_size, fit.resized) == (trimmed, whole.resized)
    assert (fit.pad_x, fit.pad_y) == pads


@given(sides, sides, inputs, inputs)
def test_trimming_leaves_less_than_a_multiple_of_padding(width, height, rows, columns):
    whole = Letterbox.fit((width, height), (rows, columns))
    fit = whole.trimmed(32)
    for side, whole_side, resized in zip(
        fit.input_size[::-1], whole.input_size[::-1], fit.resized, strict=True
    ):
        assert side % 32 == 0
        assert resized <= side < resized + 32
        assert side <= whole_side
    corners = np.array([[0, 0, width, height]])
    np.testing.assert_allclose(fit.invert(fit.apply(corners)), corners, rtol=1e-5)


def test_trimming_an_image_without_padding_changes_nothing():
    whole = Letterbox.fit((833, 833), (416, 416))
    assert whole.trimmed(32) == whole


@pytest.mark.parametrize("shape", [(90, 140), (140, 90), (31, 200)])
def test_the_pixels_of_a_trimmed_image_are_those_of_the_whole_one(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    whole, fit = fit_image(image, (128, 128))
    trimmed = fit.trimmed(32)
    drawn = trimmed.draw(image)
    assert drawn.shape == (*trimmed.input_size, 3)
    row, column = fit.pad_y - trimmed.pad_y, fit.pad_x - trimmed.pad_x
    rows, columns = trimmed.input_size
    np.testing.assert_array_equal(drawn, whole[row : row + rows, column : column + columns])


def test_invert_clips_padding_to_the_source():
    fit = Letterbox.fit((200, 100), (64, 64))
    np.testing.assert_array_equal(fit.invert(np.array([[0, 0, 64, 64]])), [[0, 0, 200, 100]])


def test_letterbox_of_the_input_size_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (96, 160, 3), np.uint8)
    result, _ = fit_image(image, image.shape[:2])
    assert np.array_equal(result, image)


def test_a_drawn_box_is_where_apply_puts_it():
    image = np.zeros((480, 640, 3), np.uint8)
    image[120:360, 160:320] = 255
    result, fit = fit_image(image, (416, 416))
    x1, y1, x2, y2 = fit.apply(np.array([[160, 120, 320, 360]]))[0].astype(int)
    assert np.all(result[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] == 255)
    inside = result[52:364].astype(float).sum() / 255 / 3
    assert inside == pytest.approx((x2 - x1) * (y2 - y1), rel=0.02)


def test_no_boxes_stay_no_boxes():
    fit = Letterbox.fit((200, 100), (64, 64))
    assert fit.apply(np.zeros((0, 4))).shape == (0, 4)
    assert fit.invert(np.zeros((0, 4))).shape == (0, 4)
