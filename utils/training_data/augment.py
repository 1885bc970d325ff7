"""Augmentation of images together with their boxes.

Everything here is a pure function of its input and a `np.random.Generator`.

While OpenCV works on the pixels, other threads can run; for all the rest they have to wait. So the
rest is kept short: single numbers are Python's own, and objects of all images go through NumPy at
once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.training_data.compose import Rectangle, Sample, image_size, lay, paint


@dataclass(frozen=True)
class Augmentation:
    """How strongly training images are varied; all zero is the letterbox alone.

    Attributes:
        mosaic: probability that four images share the input.
        mixup: probability that another image is blended in.
        flip: probability of a left-right flip.
        scale: zoom by a factor of 1 - scale to 1 + scale; 1 just fits the image into the input.
        translate: largest shift, relative to the input's width and height.
        hue: largest change of hue, in turns of the color circle.
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
    center = tuple(side * (0.5 + part) for side, part in zip(tile.size, shift, strict=True))
    return paint(size, [lay(source, tile, scale, center, rng.random() < augmentation.flip)])


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
        width, height = (side * scale for side in image_size(source.image))
        (room_x, room_y), (part_x, part_y) = tile.size, rng.random(2).tolist()
        center = (
            tile.left + width / 2 + part_x * (room_x - width),
            tile.top + height / 2 + part_y * (room_y - height),
        )
        flip = rng.random() < augmentation.flip
        parts.append(lay(source, tile, scale, center, flip))
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


def shift_colors(
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


def _zoom(
    image: np.ndarray,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
) -> float:
    """Draw a scale around the one that just fits the image into the input."""
    fit = min(size[0] / image.shape[0], size[1] / image.shape[1])
    return fit * rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)
