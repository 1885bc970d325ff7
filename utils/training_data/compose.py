"""Places images with their objects in the network's input and renders the input.

Each image is resampled once, from the source to its position in the input. Crop and target are
rectangles of whole pixels (when shrinking to less than half, of whole blocks of source pixels, each
about one pixel of the input), so that a plain resize suffices, which takes half the time of an
affine warp. Boxes follow the crop exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from utils.letterbox import GRAY

# An object of whose area the crop leaves a smaller fraction is difficult.
MIN_VISIBLE = 0.2

# An object with a shorter side, in pixels of the input, is difficult: it looks like noise.
MIN_SIDE = 1.0


@dataclass(frozen=True, eq=False)
class Sample:
    """An image in memory and its objects.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        boxes: float32 `[N, 4]`, xyxy in pixels of the image.
        labels: int32 `[N]`.
        difficult: bool `[N]`; such objects are neither positives nor negatives in training.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


class Rectangle(NamedTuple):
    """A rectangle of whole pixels of an image or of the network's input."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def of(self, image: np.ndarray) -> np.ndarray:
        """The view of these pixels of an image."""
        return image[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, eq=False)
class Placement:
    """Which part of an image is visible, and where in the input.

    Attributes:
        source: the image and its objects.
        crop: the visible part, in pixels of the image.
        target: where it appears, in pixels of the network's input.
        flip: whether it is mirrored left to right.
    """

    source: Sample
    crop: Rectangle
    target: Rectangle
    flip: bool

    @property
    def corners(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the upper left and the lower right corner of the crop are in the input."""
        left, top, right, bottom = self.target
        return ((right, top), (left, bottom)) if self.flip else ((left, top), (right, bottom))


def place(
    source: Sample,
    tile: Rectangle,
    scale: tuple[float, float],
    center: tuple[float, float],
    flip: bool,
) -> Placement:
    """Place an image in a tile of the input, cropped to the tile.

    Args:
        source: the image and its objects.
        tile: the part of the input in which the image may appear.
        scale: pixels of the input per pixel of the image, along x and y, exact up to rounding both
            edges to whole pixels.
        center: position of the image's center, xy in pixels of the input.
        flip: whether to mirror it left to right.
    """
    width, height = image_size(source.image)
    left, right, target_left, target_right = _crop_axis(
        width, scale[0], center[0], tile.left, tile.right
    )
    top, bottom, target_top, target_bottom = _crop_axis(
        height, scale[1], center[1], tile.top, tile.bottom
    )
    if flip:
        left, right = width - right, width - left
    crop = Rectangle(left, top, right, bottom)
    target = Rectangle(target_left, target_top, target_right, target_bottom)
    return Placement(source, crop, target, flip)


def render(size: tuple[int, int], placements: Sequence[Placement]) -> Sample:
    """Draw placed images on a gray input.

    Args:
        size: height and width of the input.
        placements: the images, in drawing order.

    Returns:
        The input and the objects visible in it; those of which little is visible are difficult.
    """
    canvas = np.full((*size, 3), GRAY, np.uint8)
    for placement in placements:
        _draw(canvas, placement)
    sources = [placement.source for placement in placements]
    ends = [(p.crop[:2], p.crop[2:], *p.corners) for p in placements]
    ends = np.repeat(np.array(ends), [len(source.labels) for source in sources], axis=0)
    low, high, first, last = ends[:, :, None].swapaxes(0, 1)
    whole = np.concatenate([source.boxes for source in sources]).reshape(-1, 2, 2)
    visible = np.minimum(np.maximum(whole, low), high)
    corners = (first + (visible - low) * (last - first) / (high - low)).astype(np.float32)
    corners.sort(axis=1)  # a flip exchanges left and right
    width, height = (corners[:, 1] - corners[:, 0]).T
    difficult = np.concatenate([source.difficult for source in sources])
    difficult |= areas(visible) < MIN_VISIBLE * areas(whole)
    difficult |= np.minimum(width, height) < MIN_SIDE
    seen = width * height > 0
    labels = np.concatenate([source.labels for source in sources])
    return Sample(canvas, corners.reshape(-1, 4)[seen], labels[seen], difficult[seen])


def areas(corners: np.ndarray) -> np.ndarray:
    """Areas of boxes `[N, 2, 2]`: low and high corner, each xy."""
    return (corners[:, 1] - corners[:, 0]).prod(axis=1)


def image_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height of an image `[H, W, 3]`."""
    return image.shape[1], image.shape[0]


def _crop_axis(
    length: int, scale: float, center: float, low: int, high: int
) -> tuple[int, int, int, int]:
    """Crop one axis of an image to its tile.

    Args:
        length: pixels of the image.
        scale: pixels of the input per pixel of the image.
        center: position of the image's center in the input.
        low: lower edge of the tile.
        high: upper edge of the tile.

    Returns:
        Start and end of the visible part in pixels of the image, then in pixels of the input.
    """
    start = center - length * scale / 2
    first = max(round(start), low)
    last = max(min(round(start + length * scale), high), first)
    # Crop whole blocks of pixels, which `_draw` averages.
    block = min(max(int(1 / scale), 1), length)
    blocks = length // block
    lower, upper = (round((end - start) / scale / block) for end in (first, last))
    lower = min(max(lower, 0), blocks - 1)
    upper = min(max(upper, lower + 1), blocks)
    return lower * block, upper * block, first, last


def _draw(canvas: np.ndarray, placement: Placement) -> None:
    """Resample the crop of an image to its target."""
    crop, target = placement.crop, placement.target
    (width, height), (target_width, target_height) = crop.size, target.size
    if not target_width or not target_height:
        return
    image, view = crop.of(placement.source.image), target.of(canvas)
    # When shrinking to less than half, linear interpolation skips pixels: average blocks first.
    small = width // max(width // target_width, 1), height // max(height // target_height, 1)
    if small != (width, height):
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    cv2.resize(image, target.size, dst=view, interpolation=cv2.INTER_LINEAR)
    if placement.flip:
        cv2.flip(view, 1, dst=view)
