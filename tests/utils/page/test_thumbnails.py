"""Small pictures: their scale, what a crop shows, and that a data URI holds the picture."""

import base64

import cv2
import numpy as np
import pytest

from utils.page.thumbnails import crop_around, fit, jpeg_uri

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
