"""Augmentation of images together with their boxes.

Everything here is a pure function of its input and a `np.random.Generator`. An image goes from the
source straight to its place in the network's input. Both are cut at whole pixels, so that a plain
resize does it, in half the time of an affine map; boxes follow the cut exactly.

While OpenCV works on the pixels, other threads can run; for all the rest they have to wait. So the
rest is kept short: single numbers are Python's own, and objects of all images go through NumPy at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from utils.image import GREY

# Of an object cut by the crop at least this fraction of its area has to stay to be learned from.
LEAST_VISIBLE = 0.2

# An object that is left with a thinner side, in pixels, can't be told from noise.
LEAST_SIDE = 1.0


@dataclass(frozen=True)
class Augmentation:
    """How strongly training images are varied; all zero is the letterbox alone.

    Attributes:
        mosaic: probability that four images share the input.
        mixup: probability that another image is blended in.
        flip: probability of a left-right flip.
        scale: zoom by a factor of 1 - scale to 1 + scale; 1 just fits the image into the input.
        translate: largest shift, relative to the input's width and height.
        hue: largest change of hue, in turns of the colour circle.
        saturation: largest relative change of saturation.
        value: largest relative change of brightness.
    """

    mosaic: float = 0.5
    mixup: float = 0.15
    flip: float = 0.5
    scale: float = 0.4
    translate: float = 0.1
    hue: float = 0.015
    saturation: float = 0.6
    value: float = 0.4


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


def scale_translate(
    source: Sample, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator
) -> Sample:
    """Lay one image into the input: fitted, zoomed, shifted and perhaps flipped.

    Args:
        source: an image of any size and its objects.
        size: height and width of the input.
        augmentation: gives the ranges of `scale`, `translate` and `flip`.
        rng: the source of chance.

    Returns:
        The image of `size` and its objects; those wholly outside are gone, those of which little
        is visible are difficult.
    """
    tile = Rectangle(0, 0, size[1], size[0])
    scale = _zoom(source.image, size, augmentation, rng)
    shift = rng.uniform(-augmentation.translate, augmentation.translate, 2).tolist()
    centre = tuple(side * (0.5 + part) for side, part in zip(tile.size, shift, strict=True))
    return paint(size, [lay(source, tile, scale, centre, rng.random() < augmentation.flip)])


def mosaic(
    sources: Sequence[Sample],
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> Sample:
    """Let four images share the input, each zoomed and perhaps flipped, cropped at its tile.

    Bochkovskiy et al. 2020, section 3.3.

    Args:
        sources: four images of any sizes and their objects.
        size: height and width of the input.
        augmentation: gives the ranges of `scale` and `flip`.
        rng: the source of chance.

    Returns:
        The image of `size` and the objects of all four, cut as by `scale_translate`.
    """
    bottom, right = size
    x, y = (rng.uniform(0.3, 0.7, 2) * (right, bottom)).round().astype(int).tolist()
    tiles = (
        Rectangle(0, 0, x, y),
        Rectangle(x, 0, right, y),
        Rectangle(0, y, x, bottom),
        Rectangle(x, y, right, bottom),
    )
    parts = []
    for source, tile in zip(sources, tiles, strict=True):
        # From about the size at which it fits its tile to the size it has alone in the input.
        scale = rng.uniform(0.5, 1) * _zoom(source.image, size, augmentation, rng)
        width, height = (side * scale for side in _image_size(source.image))
        (room_x, room_y), (part_x, part_y) = tile.size, rng.random(2).tolist()
        centre = (
            tile.left + width / 2 + part_x * (room_x - width),
            tile.top + height / 2 + part_y * (room_y - height),
        )
        flip = rng.random() < augmentation.flip
        parts.append(lay(source, tile, scale, centre, flip))
    return paint(size, parts)


def mixup(first: Sample, second: Sample, rng: np.random.Generator) -> Sample:
    """Blend two images of one size and keep the objects of both.

    Zhang et al. 2018; the share of either stays near a half, so that all objects remain visible.
    """
    share = rng.uniform(0.4, 0.6)
    image = cv2.addWeighted(first.image, share, second.image, 1 - share, 0)
    return Sample(
        image,
        np.concatenate([first.boxes, second.boxes]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.difficult, second.difficult]),
    )


def shift_colours(
    image: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """Turn the hue and scale saturation and brightness of a uint8 RGB image."""
    strength = (augmentation.hue, augmentation.saturation, augmentation.value)
    if not any(strength):
        return image
    hue, saturation, value = (rng.uniform(-1, 1, 3) * strength).tolist()
    hues, saturations, values = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    # OpenCV's full range counts 256 steps of hue to the turn: bytes go round by themselves.
    hues += np.uint8(round(256 * hue) % 256)
    cv2.convertScaleAbs(saturations, dst=saturations, alpha=1 + saturation)
    cv2.convertScaleAbs(values, dst=values, alpha=1 + value)
    shifted = cv2.merge((hues, saturations, values))
    return cv2.cvtColor(shifted, cv2.COLOR_HSV2RGB_FULL, dst=shifted)


def lay(
    source: Sample, tile: Rectangle, scale: float, centre: tuple[float, float], flip: bool
) -> Part:
    """Lay an image into a tile of the input; what sticks out is cut off.

    Args:
        source: the image and its objects.
        tile: where it may be seen.
        scale: pixels of the input per pixel of the image, kept to within the rounding of both ends
            to whole pixels.
        centre: where the image's centre comes to lie, xy in pixels of the input.
        flip: whether left and right are exchanged.
    """
    width, height = _image_size(source.image)
    left, right, place_left, place_right = _cut(width, scale, centre[0], tile.left, tile.right)
    top, bottom, place_top, place_bottom = _cut(height, scale, centre[1], tile.top, tile.bottom)
    if flip:
        left, right = width - right, width - left
    crop = Rectangle(left, top, right, bottom)
    return Part(source, crop, Rectangle(place_left, place_top, place_right, place_bottom), flip)


def paint(size: tuple[int, int], parts: Sequence[Part]) -> Sample:
    """Draw images into their places in the input, grey around them.

    Args:
        size: height and width of the input.
        parts: what is drawn, in this order.

    Returns:
        The input and the objects seen in it; those of which little is visible are difficult.
    """
    canvas = np.full((*size, 3), GREY, np.uint8)
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


def _image_size(image: np.ndarray) -> tuple[int, int]:
    """Width and height."""
    return image.shape[1], image.shape[0]


def _zoom(
    image: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> float:
    """Draw a scale around the one that just fits the image into the input."""
    fit = min(size[0] / image.shape[0], size[1] / image.shape[1])
    return fit * rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)


def _cut(
    length: int, scale: float, centre: float, low: int, high: int
) -> tuple[int, int, int, int]:
    """Cut one axis of an image at the edges of its tile.

    Args:
        length: pixels of the image.
        scale: pixels of the input per pixel of the image.
        centre: where the image's centre comes to lie.
        low: the lower edge of the tile.
        high: the upper one.

    Returns:
        From where to where the image is seen, in its own pixels and in those of the input.
    """
    start = centre - length * scale / 2
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
