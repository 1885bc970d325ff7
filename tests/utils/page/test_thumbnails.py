"""Small pictures: their scale, what a crop shows, and that a data URI holds the picture."""

import base64

import cv2
import numpy as np
import pytest

from utils.page.thumbnails import crop_around, fit, jpeg_uri, thumbnail_uri, view_around

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(("shape", "expected"), [((50, 100), (24, 48)), ((200, 2), (48, 1))])
def test_the_longer_side_is_as_long_as_asked(shape, expected):
    scaled, scale = fit(np.zeros((*shape, 3), np.uint8), 48)
    assert scaled.shape == (*expected, 3)
    assert scale == 48 / max(shape)


def test_a_crop_shows_the_box_and_as_much_again_around_it():
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[40:60, 50:70] = 255
    crop, (left, top), scale = crop_around(pixels, (50, 40, 70, 60), side=80, least=10)
    assert (crop.shape, left, top, scale) == ((80, 80, 3), 40, 30, 2)
    white = np.argwhere(crop[..., 0] > 127)
    assert (white.min(axis=0) == (20, 20)).all()
    assert (white.max(axis=0) == (59, 59)).all()


def test_a_crop_of_a_small_box_at_the_corner_stays_in_the_image():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    crop, corner, scale = crop_around(pixels, (0, 0, 2, 2), side=40, least=20)
    assert (corner, scale) == ((0, 0), 2)
    np.testing.assert_array_equal(crop, cv2.resize(pixels[:20, :20], (40, 40)))


def test_a_data_uri_holds_the_picture_in_its_colors():
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[...] = (200, 40, 10)  # RGB
    kind, data = jpeg_uri(pixels).split(",")
    assert kind == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(bgr[8, 8], (10, 40, 200), atol=6)


@pytest.mark.parametrize(
    ("box", "corner"),
    [
        ((90, 40, 110, 60), (60, 30)),  # in the middle
        ((0, 0, 20, 20), (0, 0)),  # moved into the image
        ((180, 80, 200, 100), (120, 60)),
    ],
)
def test_a_view_has_its_shape_and_stays_in_the_image(box, corner):
    pixels = np.random.default_rng(0).integers(0, 256, (100, 200, 3), np.uint8)
    view, start, scale = view_around(pixels, box, (120, 60), least=60)
    assert (view.shape, start, scale) == ((60, 120, 3), corner, 1.5)
    left, top = start
    part = pixels[top : top + 40, left : left + 80]
    np.testing.assert_array_equal(view, cv2.resize(part, (120, 60)))


def test_a_view_shows_the_whole_box_and_as_much_again():
    view, start, scale = view_around(
        np.zeros((900, 900, 3), np.uint8), (300, 400, 310, 500), (120, 60), 1
    )
    assert (view.shape, start, scale) == ((60, 120, 3), (105, 350), 0.3)


def test_a_view_of_an_image_of_another_shape_is_smaller():
    view, start, scale = view_around(np.zeros((20, 100, 3), np.uint8), (0, 0, 100, 20), (80, 80), 1)
    assert (view.shape, start, scale) == ((16, 80, 3), (0, 0), 0.8)


def test_the_thumbnail_of_a_file_has_the_longer_side_asked_for_or_is_none(tmp_path):
    file = tmp_path / "a.jpg"
    cv2.imwrite(str(file), np.zeros((600, 1200, 3), np.uint8))
    _, data = (thumbnail_uri(file, 60) or "").split(",")
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == (30, 60, 3)
    file.write_bytes(b"damaged")
    assert thumbnail_uri(file, 60) is None
