"""Small pictures inside a page: scaling, cropping, and JPEG data URIs."""

import base64
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils.image import ImageError, read_image

_JPEG_QUALITY = 85


def fit(pixels: np.ndarray, long_side: int) -> tuple[np.ndarray, float]:
    """Scale an image so that its longer side has `long_side` pixels.

    Args:
        pixels: uint8 `[H, W, 3]`.
        long_side: length of the longer side in pixels.

    Returns:
        The scaled image and the factor from its coordinates' old values to the new ones.
    """
    scale = long_side / max(pixels.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), scale


def crop_around(
    pixels: np.ndarray, box: Sequence[float], side: int, least: float
) -> tuple[np.ndarray, tuple[int, int], float]:
    """Cut out a box with as much around it again, and scale the crop.

    Args:
        pixels: uint8 `[H, W, 3]`.
        box: xyxy in pixels of the image.
        side: length of the crop's longer side in pixels, after scaling.
        least: smallest side of the square that is cut out, in pixels of the image.

    Returns:
        The crop, the left and top of the square in the image, and the scaling factor.
    """
    x1, y1, x2, y2 = box
    half = max(x2 - x1, y2 - y1, least / 2)
    left, top = max(0, round((x1 + x2) / 2 - half)), max(0, round((y1 + y2) / 2 - half))
    crop = pixels[top : top + round(2 * half), left : left + round(2 * half)]
    scale = side / max(crop.shape[:2])
    crop = cv2.resize(crop, None, fx=scale, fy=scale)
    return np.ascontiguousarray(crop), (left, top), scale


def view_around(
    pixels: np.ndarray, box: Sequence[float], size: tuple[int, int], least: float
) -> tuple[np.ndarray, tuple[int, int], float]:
    """Cut out a part of fixed shape with a box at its center, or near it at the image's border.

    Args:
        pixels: uint8 `[H, W, 3]`.
        box: xyxy in pixels of the image.
        size: width and height of the view in pixels; it is smaller if the image has another shape
            and the part takes all of it.
        least: smallest width of the part, in pixels of the image.

    Returns:
        The view, the left and top of the part in the image, and the scaling factor.
    """
    (x1, y1, x2, y2), ratio = box, size[0] / size[1]
    width = max(2 * (x2 - x1), 2 * (y2 - y1) * ratio, least)
    sides = [
        min(round(w), s) for w, s in zip((width, width / ratio), pixels.shape[1::-1], strict=True)
    ]
    starts = ((x1 + x2 - sides[0]) / 2, (y1 + y2 - sides[1]) / 2)
    left, top = (
        round(min(max(start, 0), length - side))
        for start, length, side in zip(starts, pixels.shape[1::-1], sides, strict=True)
    )
    part = pixels[top : top + sides[1], left : left + sides[0]]
    scale = min(size[0] / sides[0], size[1] / sides[1])
    return np.ascontiguousarray(cv2.resize(part, None, fx=scale, fy=scale)), (left, top), scale


def encode_jpeg(pixels: np.ndarray) -> bytes:
    """Encode an RGB image, uint8 `[H, W, 3]`, as JPEG."""
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    assert ok, "OpenCV encodes any 8-bit image as JPEG"
    return data.tobytes()


def jpeg_uri(pixels: np.ndarray) -> str:
    """Encode an RGB image, uint8 `[H, W, 3]`, as a JPEG data URI."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(pixels)).decode()


def thumbnail_uri(file: Path, long_side: int) -> str | None:
    """An image file as a JPEG data URI with this longer side in pixels; None if unreadable."""
    try:
        return jpeg_uri(fit(read_image(file, long_side), long_side)[0])
    except ImageError:
        return None
