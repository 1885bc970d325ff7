"""Augmentation of images together with their boxes.

Everything here is a pure function of its input and a `np.random.Generator`. An image is resampled
once: one affine map takes it from the source straight to its place in the network's input.

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

# The values of a channel, once for each of three.
_LEVELS = np.arange(256.0).repeat(3).reshape(1, 256, 3)


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


class Tile(NamedTuple):
    """A rectangle of whole pixels in the network's input."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top


@dataclass(frozen=True)
class Placement:
    """Where an image goes: `point * scale + shift`, continuous coordinates, xy order.

    Attributes:
        scale: the horizontal one is negative where the image is flipped.
        shift: in pixels.
    """

    scale: tuple[float, float]
    shift: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Part:
    """An image in its place in the network's input.

    Attributes:
        source: the image and its objects.
        tile: where it is seen.
        placement: how it lies there.
    """

    source: Sample
    tile: Tile
    placement: Placement


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
    tile = Tile(0, 0, size[1], size[0])
    scale = _zoom(source.image, size, augmentation, rng)
    shift = rng.uniform(-augmentation.translate, augmentation.translate, 2).tolist()
    centre = tuple(side * (0.5 + part) for side, part in zip(tile.size, shift, strict=True))
    placement = _placement(source.image, scale, centre, rng.random() < augmentation.flip)
    canvas = np.empty((*size, 3), np.uint8)
    return Sample(canvas, *paint(canvas, [Part(source, tile, placement)]))


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
        Tile(0, 0, x, y),
        Tile(x, 0, right, y),
        Tile(0, y, x, bottom),
        Tile(x, y, right, bottom),
    )
    canvas = np.empty((bottom, right, 3), np.uint8)
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
        placement = _placement(source.image, scale, centre, rng.random() < augmentation.flip)
        parts.append(Part(source, tile, placement))
    return Sample(canvas, *paint(canvas, parts))


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
    table = _LEVELS * (1, 1 + saturation, 1 + value)
    # OpenCV's full range counts 256 steps of hue to the turn.
    table[0, :, 0] = (table[0, :, 0] + 256 * hue) % 256
    table = np.minimum(table, 255).astype(np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    cv2.LUT(hsv, table, dst=hsv)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL, dst=hsv)


def paint(canvas: np.ndarray, parts: Sequence[Part]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw images into their tiles of the canvas, grey around them.

    Returns:
        Boxes in pixels of the canvas, labels and `difficult` of the objects seen in the tiles.
    """
    for part in parts:
        _warp(canvas, part)
    sources = [part.source for part in parts]
    places = [
        (part.placement.scale, part.placement.shift, part.tile[:2], part.tile[2:]) for part in parts
    ]
    places = np.repeat(np.array(places), [len(source.labels) for source in sources], axis=0)
    scale, shift, low, high = places[:, :, None].swapaxes(0, 1)
    boxes = np.concatenate([source.boxes for source in sources])
    whole = boxes.reshape(-1, 2, 2) * scale + shift
    whole.sort(axis=1)  # a flip has put the right side first
    corners = np.minimum(np.maximum(whole, low), high).astype(np.float32)
    width, height = (corners[:, 1] - corners[:, 0]).T
    whole_width, whole_height = (whole[:, 1] - whole[:, 0]).T
    visible = width * height
    difficult = np.concatenate([source.difficult for source in sources])
    difficult |= visible < LEAST_VISIBLE * (whole_width * whole_height)
    difficult |= np.minimum(width, height) < LEAST_SIDE
    seen = visible > 0
    labels = np.concatenate([source.labels for source in sources])
    return corners.reshape(-1, 4)[seen], labels[seen], difficult[seen]


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


def _placement(
    image: np.ndarray, scale: float, centre: tuple[float, float], flip: bool
) -> Placement:
    """Bring the image's centre to `centre` (xy, pixels of the input)."""
    scale_x = -scale if flip else scale
    width, height = _image_size(image)
    shift = (centre[0] - width / 2 * scale_x, centre[1] - height / 2 * scale)
    return Placement((scale_x, scale), shift)


def _warp(canvas: np.ndarray, part: Part) -> None:
    """Resample an image into its tile of the canvas."""
    image, tile = part.source.image, part.tile
    (scale_x, scale_y), (shift_x, shift_y) = part.placement.scale, part.placement.shift
    # Linear interpolation skips pixels below half the size: average whole blocks first.
    blocks = int(1 / scale_y)
    if blocks > 1:
        width, height = _image_size(image)
        small = max(width // blocks, 1), max(height // blocks, 1)
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        scale_x, scale_y = scale_x * width / small[0], scale_y * height / small[1]
    # OpenCV counts from the centres of pixels, boxes count from their edges.
    shift_x = shift_x - tile.left + scale_x / 2 - 0.5
    shift_y = shift_y - tile.top + scale_y / 2 - 0.5
    matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
    view = canvas[tile.top : tile.bottom, tile.left : tile.right]
    cv2.warpAffine(image, matrix, tile.size, dst=view, borderValue=(GREY,) * 3)
