"""Augmentation of arrays: closed forms, hand-worked crops, colors."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.letterbox import fit_image
from utils.training_data.augment import Augmentation, mixup, mosaic, scale_translate, shift_colors
from utils.training_data.compose import Rectangle, Sample, place, render

pytestmark = pytest.mark.quick

OFF = Augmentation(
    mosaic=0, mixup=0, flip=0, scale=0, translate=0, hue=0, saturation=0, value=0
)  # fmt: skip


def source(image, boxes=(), difficult=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    difficult = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult)
    return Sample(image, boxes, np.arange(len(boxes), dtype=np.int32), difficult)


def smooth(height, width, seed=0):
    """A picture without fine detail, so that any good resampling gives about the same."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [127 + 100 * np.sin(4 * x + p) * np.cos(3 * y + 2 * p) for p in phase]
    return np.stack(waves, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("shape", [(96, 128), (128, 96), (700, 900), (30, 40), (2000, 50)])
@pytest.mark.parametrize("size", [(96, 96), (64, 160)])
@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_without_chance_it_is_only_fitted(shape, size, resize):
    picture = source(smooth(*shape), [[5, 6, 20, 25], [0, 0, shape[1], shape[0]]])
    expected, box = fit_image(picture.image, size, resize)
    result = scale_translate(picture, size, OFF, np.random.default_rng(0), resize)
    assert result.image.shape == (*size, 3)
    # Where an odd number of pixels is left, the letterbox may round to the other side.
    np.testing.assert_allclose(result.boxes, box.apply(picture.boxes), atol=1)
    assert np.abs(result.image.astype(int) - expected).mean() < 4
    assert np.median(np.abs(result.image.astype(int) - expected)) <= 1


@pytest.mark.parametrize("shape", [(2000, 98), (98, 2000), (119, 239), (1199, 899)])
def test_an_image_fills_its_box_whatever_its_remainder(shape):
    """Sizes that don't divide into whole blocks must not shift the picture against its boxes."""
    height, width = shape
    image = np.full((height, width, 3), 255, np.uint8)
    image[..., 1] = np.linspace(0, 255, width)
    image[..., 2] = np.linspace(0, 255, height)[:, None]
    picture = source(image, [[0, 0, width, height]])
    result = scale_translate(picture, (60, 60), OFF, np.random.default_rng(0))
    white = np.clip(result.image[..., 0].astype(float) - 128, 0, None) / 127
    sides = result.boxes[0, 2:] - result.boxes[0, :2]
    np.testing.assert_allclose(white.sum(axis=1).max(), sides[0], atol=0.3)
    np.testing.assert_allclose(white.sum(axis=0).max(), sides[1], atol=0.3)
    # A crop that lacks more than a pixel of the input has less of one end of the gradient.
    means = result.image[white == 1].mean(axis=0)[1:]
    assert (np.abs(means - 127.5) <= 127.5 / sides + 2).all()


def test_an_image_of_the_input_size_stays_as_it_is_and_flips_exactly():
    picture = source(smooth(64, 96), [[10, 20, 30, 50]])
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(scale_translate(picture, (64, 96), OFF, rng).image, picture.image)
    mirrored = scale_translate(picture, (64, 96), replace(OFF, flip=1), rng)
    np.testing.assert_array_equal(mirrored.image, picture.image[:, ::-1])
    np.testing.assert_allclose(mirrored.boxes, [[66, 20, 86, 50]])


def test_a_crop_by_hand():
    boxes = [
        [90, 0, 100, 10],  # half of it is seen
        [75, 0, 100, 10],  # 5 of 25 columns: the least to be learned from
        [70, 0, 100, 10],  # 5 of 30 columns
        [0, 0, 95, 10],  # ends at the edge of the tile
        [0, 0, 50, 50],  # far outside
        [99.5, 20, 100, 60],  # wholly inside, half a pixel thin
        [96, 0, 100, 10],  # difficult already
    ]
    picture = source(smooth(100, 100), boxes, [False] * 6 + [True])
    tile, center = Rectangle(20, 10, 60, 50), (20 - 95 + 50.0, 10 + 50.0)
    part = place(picture, tile, (1.0, 1.0), center, flip=False)
    result = render((50, 80), [part])
    assert result.labels.tolist() == [0, 1, 2, 5, 6]
    np.testing.assert_allclose(
        result.boxes,
        [
            [20, 10, 25, 20],
            [20, 10, 25, 20],
            [20, 10, 25, 20],
            [24.5, 30, 25, 50],
            [21, 10, 25, 20],
        ],
    )
    assert result.difficult.tolist() == [False, False, True, True, True]
    expected = np.full((50, 80, 3), 128, np.uint8)
    expected[10:50, 20:25] = picture.image[:40, 95:]
    np.testing.assert_array_equal(result.image, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(40, 600), st.integers(40, 600)),
    # Below 0.5 whole blocks of pixels are averaged.
    st.tuples(st.floats(0.15, 2.5), st.floats(0.15, 2.5)),
    st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)),
    st.booleans(),
)
def test_pixels_and_boxes_are_where_an_affine_map_puts_them(shape, scale, center, flip):
    """Within the rounding of both ends: a pixel of the image and a pixel of the input."""
    height, width = shape
    box = np.array([width * 0.3, height * 0.2, width * 0.6, height * 0.7])
    picture = source(smooth(height, width), [box])
    x, y = 160 * center[0], 96 * center[1]
    result = render((96, 160), [place(picture, Rectangle(0, 0, 160, 96), scale, (x, y), flip)])

    along, down = -scale[0] if flip else scale[0], scale[1]
    shift = np.array([x - along * width / 2, y - down * height / 2])
    ends = np.sort(box.reshape(2, 2) * (along, down) + shift, axis=0)
    seen = np.clip(ends, 0, (160, 96))
    atol = max(scale) + 1
    if (seen[1] - seen[0]).min() > 2 * atol:
        np.testing.assert_allclose(result.boxes, [seen.reshape(4)], atol=atol)
    # OpenCV counts from the centers of pixels.
    matrix = np.array([[along, 0, shift[0]], [0, down, shift[1]]])
    matrix[:, 2] += matrix[:, :2].sum(axis=1) / 2 - 0.5
    expected = cv2.warpAffine(picture.image, matrix, (160, 96), borderValue=(128,) * 3)
    away = np.abs(result.image.astype(int) - expected).max(axis=2)
    assert (away > 16).mean() < 0.1  # the edges
    assert np.median(away) <= 8


def test_what_lies_outside_or_is_too_thin_leaves_nothing():
    tile = Rectangle(0, 0, 40, 40)
    box, strip = source(smooth(30, 30), [[5, 5, 20, 20]]), source(smooth(30, 1), [[0, 0, 1, 30]])
    outside = place(box, tile, (1.0, 1.0), (80.0, 20.0), flip=False)
    thin = place(strip, tile, (0.2, 0.2), (20.0, 20.0), flip=True)
    result = render((40, 40), [outside, thin])
    assert (result.image == 128).all()
    assert result.boxes.shape == (0, 4)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.tuples(st.integers(20, 300), st.integers(20, 300)),
    st.sampled_from([(64, 64), (96, 160)]),
    st.sampled_from(["letterbox", "stretch"]),
)
def test_boxes_stay_inside_and_their_number_never_grows(seed, shape, size, resize):
    rng = np.random.default_rng(seed)
    corners = np.sort(rng.random((4, 9, 2, 2)), axis=2) * (shape[1], shape[0])
    pictures = [source(np.zeros((*shape, 3), np.uint8), c) for c in corners.reshape(4, 9, 4)]
    for result, most in (
        (scale_translate(pictures[0], size, Augmentation(), rng, resize), 9),
        (mosaic(pictures, size, Augmentation(), rng, resize), 36),
    ):
        boxes = result.boxes
        assert boxes.dtype == np.float32
        assert len(boxes) == len(result.labels) == len(result.difficult) <= most
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert (boxes >= 0).all()
        assert (boxes <= (size[1], size[0]) * 2).all()


def test_mosaic_tiles_cover_the_input():
    pictures = [source(np.full((60, 80, 3), 200 + k, np.uint8)) for k in range(4)]
    wide = Augmentation(scale=0)
    for seed in range(20):
        image = mosaic(pictures, (128, 192), wide, np.random.default_rng(seed)).image
        assert {200, 201, 202, 203} <= set(np.unique(image))
        assert image.min() >= 128


def test_nothing_aliases_when_shrunk():
    """One-pixel stripes shrunk eightfold must average to gray, not to black or white."""
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    result = scale_translate(source(stripes), (96, 96), OFF, np.random.default_rng(0))
    assert np.abs(result.image.astype(int) - 127).max() <= 3


def test_mixup_blends_and_keeps_all_objects():
    first = source(np.full((32, 32, 3), 200, np.uint8), [[1, 2, 3, 4]], [True])
    second = source(np.full((32, 32, 3), 100, np.uint8), [[5, 6, 7, 8], [9, 9, 20, 20]])
    blends = [mixup(first, second, np.random.default_rng(seed)) for seed in range(9)]
    levels = {int(result.image[0, 0, 0]) for result in blends}
    assert len(levels) > 3
    assert all(139 <= level <= 161 for level in levels)
    result = blends[0]
    np.testing.assert_array_equal(result.boxes, [[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 20, 20]])
    assert result.labels.tolist() == [0, 0, 1]
    assert result.difficult.tolist() == [True, False, False]


def shifted(pixel, **strength):
    """Shift one color by the full strength."""
    only = Augmentation(**{"hue": 0, "saturation": 0, "value": 0, **strength})
    strongest = SimpleNamespace(uniform=lambda low, high, count: np.full(count, high))
    return shift_colors(np.array([[pixel]], np.uint8), only, strongest)[0, 0].tolist()


def test_colors_by_hand():
    assert shifted([200, 0, 0], hue=1 / 3) == pytest.approx([0, 200, 0], abs=4)
    assert shifted([0, 0, 200], hue=1 / 3) == pytest.approx([200, 0, 0], abs=4)
    assert shifted([100, 50, 50], value=0.5) == pytest.approx([150, 75, 75], abs=2)
    assert shifted([200, 100, 100], value=0.5) == pytest.approx([255, 128, 128], abs=2)
    assert shifted([200, 150, 150], saturation=1) == pytest.approx([200, 100, 100], abs=2)
    assert shifted([90, 90, 90], hue=0.4, saturation=1) == [90, 90, 90]
    assert shifted([12, 34, 56]) == [12, 34, 56]


def test_inputs_are_left_alone():
    image = smooth(48, 64)
    copy = image.copy()
    picture = source(image, [[1, 1, 20, 20]])
    rng = np.random.default_rng(0)
    mosaic([picture] * 4, (64, 64), Augmentation(), rng)
    scale_translate(picture, (64, 64), Augmentation(), rng)
    shift_colors(image, Augmentation(), rng)
    np.testing.assert_array_equal(image, copy)
    np.testing.assert_array_equal(picture.boxes, [[1, 1, 20, 20]])
