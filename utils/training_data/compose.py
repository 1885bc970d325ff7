"""Lays images with their objects into the network's input and draws them there.

An image goes from the source straight to its place. Both are cut at whole pixels (below half the
size the image at whole blocks of them, each about a pixel of the input), so that a plain resize
does it, in half the time of an affine map; boxes follow the cut exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from utils.image import GRAY

# Of an object cut by the crop at least this fraction of its area has to stay to be learned from.
LEAST_VISIBLE = 0.2

# An object that is left with a thinner side, in pixels, can't be told from noise.
LEAST_SIDE = 1.0


@dataclass(frozen=True, eq=False)
class Sample:
    """An image in memory and its objects.

    Attributes:
        image: uint8 `[H, W, 3]`, RGB.
        boxes: float32 `[N, 4]`, xyxy in pixels of the image.
        labels: int32 `[N]`.
        difficult: bool `[N]`; such objects are neither positives nor negatives.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray


class Rectangle(NamedTuple):
    """Whole pixels of an image or of the network's input."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    def of(self, image: np.ndarray) -> np.ndarray:
        """The view of these pixels."""
        return image[self.top : self.bottom, self.left : self.right]


@dataclass(frozen=True, eq=False)
class Part:
    """What is seen of an image, and where.

    Attributes:
        source: the image and its objects.
        crop: what is seen, in pixels of the image.
        place: where it is seen, in pixels of the network's input.
        flip: whether left and right are exchanged.
    """

    source: Sample
    crop: Rectangle
    place: Rectangle
    flip: bool

    @property
    def corners(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the left upper and the right lower corner of the crop come to lie."""
        left, top, right, bottom = self.place
        return ((right, top), (left, bottom)) if self.flip else ((left, top), (right, bottom))


def lay(
    source: Sample, tile: Rectangle, scale: float, center: tuple[float, float], flip: bool
) -> Part:
    """Lay an image into a tile of the input; what sticks out is cut off.

    Args:
        source: the image and its objects.
        tile: where it may be seen.
        scale: pixels of the input per pixel of the image, kept to within the rounding of both ends
            to whole pixels.
        center: where the image's center comes to lie, xy in pixels of the input.
        flip: whether left and right are exchanged.
    """
    width, height = image_size(source.image)
    left, right, place_left, place_right = _cut(width, scale, center[0], tile.left, tile.right)
    top, bottom, place_top, place_bottom = _cut(height, scale, center[1], tile.top, tile.bottom)
    if flip:
        left, right = width - right, width - left
    crop = Rectangle(left, top, right, bottom)
    return Part(source, crop, Rectangle(place_left, place_top, place_right, place_bottom), flip)


def paint(size: tuple[int, int], parts: Sequence[Part]) -> Sample:
    """Draw images into their places in the input, gray around them.

    Args:
        size: height and width of the input.
        parts: what is drawn, in this order.

    Returns:
        The input and the objects seen in it; those of which little is visible are difficult.
    """
    canvas = np.full((*size, 3), GRAY, np.uint8)
    for part in parts:
        _draw(canvas, part)
    sources = [part.source for part in parts]
    places = [(part.crop[:2], part.crop[2:], *part.corners) for part in parts]
    places = np.repeat(np.array(places), [len(source.labels) for source in sources], axis=0)
    low, high, first, last = places[:, :, None].swapaxes(0, 1)
    whole = np.concatenate([source.boxes for source in sources]).reshape(-1, 2, 2)
    visible = np.minimum(np.maximum(whole, low), high)
    corners = (first + (visible - low) * (last - first) / (high - low)).astype(np.float32)
    corners.sort(axis=1)  # a flip has put the right side first
    width, height = (corners[:, 1] - corners[:, 0]).T
    difficult = np.concatenate([source.difficult for source in sources])
    difficult |= _areas(visible) < LEAST_VISIBLE * _areas(whole)
    difficult |= np.minimum(width, height) < LEAST_SIDE
    seen = width * height > 0
    labels = np.concatenate([source.labels for source in sources])
    return Sample(canvas, corners.reshape(-1, 4)[seen], labels[seen], difficult[seen])


def _areas(corners: np.ndarray) -> np.ndarray:
    """Of `[N, 2, 2]`, the low and the high corner in xy order."""
    return (corners[:, 1] - corners[:, 0]).prod(axis=1)


def image_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _cut(
    length: int, scale: float, center: float, low: int, high: int
) -> tuple[int, int, int, int]:
    """Cut one axis of an image at the edges of its tile.

    Args:
        length: pixels of the image.
        scale: pixels of the input per pixel of the image.
        center: where the image's center comes to lie.
        low: the lower edge of the tile.
        high: the upper one.

    Returns:
        From where to where the image is seen, in its own pixels and in those of the input.
    """
    start = center - length * scale / 2
    first = max(round(start), low)
    last = max(min(round(start + length * scale), high), first)
    # Whole blocks of those that `_draw` averages.
    block = min(max(int(1 / scale), 1), length)
    blocks = length // block
    lower, upper = (round((end - start) / scale / block) for end in (first, last))
    lower = min(max(lower, 0), blocks - 1)
    upper = min(max(upper, lower + 1), blocks)
    return lower * block, upper * block, first, last


def _draw(canvas: np.ndarray, part: Part) -> None:
    """Resample the crop of an image into its place."""
    (width, height), (room_x, room_y) = part.crop.size, part.place.size
    if not room_x or not room_y:
        return
    image, view = part.crop.of(part.source.image), part.place.of(canvas)
    # Linear interpolation skips pixels below half the size: average whole blocks first.
    small = width // max(width // room_x, 1), height // max(height // room_y, 1)
    if small != (width, height):
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
    cv2.resize(image, (room_x, room_y), dst=view, interpolation=cv2.INTER_LINEAR)
    if part.flip:
        cv2.flip(view, 1, dst=view)
