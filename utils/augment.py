"""Augmentation of images together with their boxes.

Everything here is a pure function of its input and a `np.random.Generator`. An image is resampled
once: one affine map takes it from the source straight to its place in the network's input.
"""

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Tile:
    """A rectangle of whole pixels in the network's input."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> np.ndarray:
        """Width and height."""
        return np.array([self.right - self.left, self.bottom - self.top])


@dataclass(frozen=True, eq=False)
class Placement:
    """Where an image goes: `point * scale + shift`, continuous coordinates, xy order.

    Attributes:
        scale: float64 `[2]`; the horizontal one is negative where the image is flipped.
        shift: float64 `[2]` in pixels.
    """

    scale: np.ndarray
    shift: np.ndarray

    def apply(self, boxes: np.ndarray) -> np.ndarray:
        """Map boxes `[N, 4]` xyxy, neither clipped nor rounded."""
        corners = boxes.reshape(-1, 2, 2) * self.scale + self.shift
        return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


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
    centre = tile.size * (0.5 + rng.uniform(-augmentation.translate, augmentation.translate, 2))
    placement = _placement(source.image, scale, centre, rng.random() < augmentation.flip)
    canvas = np.empty((*size, 3), np.uint8)
    return Sample(canvas, *paint(canvas, tile, source, placement))


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
    height, width = size
    x, y = (rng.uniform(0.3, 0.7, 2) * (width, height)).round().astype(int)
    corners = ((0, 0, x, y), (x, 0, width, y), (0, y, x, height), (x, y, width, height))
    canvas = np.empty((height, width, 3), np.uint8)
    parts = []
    for source, tile in zip(sources, (Tile(*corner) for corner in corners), strict=True):
        # From about the size at which it fits its tile to the size it has alone in the input.
        scale = rng.uniform(0.5, 1) * _zoom(source.image, size, augmentation, rng)
        drawn = _image_size(source.image) * scale
        centre = (tile.left, tile.top) + drawn / 2 + rng.random(2) * (tile.size - drawn)
        placement = _placement(source.image, scale, centre, rng.random() < augmentation.flip)
        parts.append(paint(canvas, tile, source, placement))
    return Sample(canvas, *map(np.concatenate, zip(*parts, strict=True)))


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
    strength = np.array([augmentation.hue, augmentation.saturation, augmentation.value])
    if not strength.any():
        return image
    hue, saturation, value = rng.uniform(-1, 1, 3) * strength
    levels = np.arange(256.0)
    # OpenCV's full range counts 256 steps of hue to the turn.
    table = np.stack(
        [(levels + 256 * hue) % 256, levels * (1 + saturation), levels * (1 + value)], axis=-1
    )
    table = np.clip(table, 0, 255).astype(np.uint8)[None]
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    return cv2.cvtColor(cv2.LUT(hsv, table), cv2.COLOR_HSV2RGB_FULL)


def paint(
    canvas: np.ndarray, tile: Tile, source: Sample, placement: Placement
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw an image into a tile of the canvas, grey around it.

    Returns:
        Boxes in pixels of the canvas, labels and `difficult` of the objects seen in the tile.
    """
    _warp(canvas[tile.top : tile.bottom, tile.left : tile.right], tile, source.image, placement)
    whole = placement.apply(source.boxes)
    low, high = (tile.left, tile.top) * 2, (tile.right, tile.bottom) * 2
    boxes = np.clip(whole, low, high).astype(np.float32)
    sides = boxes[:, 2:] - boxes[:, :2]
    visible = sides.prod(axis=1)
    least = LEAST_VISIBLE * (whole[:, 2:] - whole[:, :2]).prod(axis=1)
    difficult = source.difficult | (visible < least) | (sides.min(axis=1) < LEAST_SIDE)
    seen = visible > 0
    return boxes[seen], source.labels[seen], difficult[seen]


def _image_size(image: np.ndarray) -> np.ndarray:
    """Width and height."""
    return np.array([image.shape[1], image.shape[0]])


def _zoom(
    image: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> float:
    """Draw a scale around the one that just fits the image into the input."""
    fit = min(size[0] / image.shape[0], size[1] / image.shape[1])
    return fit * rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)


def _placement(image: np.ndarray, scale: float, centre: np.ndarray, flip: bool) -> Placement:
    """Bring the image's centre to `centre` (xy, pixels of the input)."""
    scales = np.array([-scale if flip else scale, scale])
    return Placement(scales, centre - _image_size(image) / 2 * scales)


def _warp(view: np.ndarray, tile: Tile, image: np.ndarray, placement: Placement) -> None:
    """Resample an image into `view`, the part of the canvas under the tile."""
    full = _image_size(image)
    # Linear interpolation skips pixels below half the size: average whole blocks first.
    blocks = int(1 / abs(placement.scale[1]))
    if blocks > 1:
        small = np.maximum(full // blocks, 1)
        image = cv2.resize(image, small.tolist(), interpolation=cv2.INTER_AREA)
    scale = placement.scale * full / _image_size(image)
    # OpenCV counts from the centres of pixels, boxes count from their edges.
    shift = placement.shift - (tile.left, tile.top) + scale / 2 - 0.5
    matrix = np.column_stack([np.diag(scale), shift])
    size = (view.shape[1], view.shape[0])
    cv2.warpAffine(image, matrix, size, dst=view, borderValue=(GREY,) * 3)
