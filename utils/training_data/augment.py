"""Augmentation of images together with their boxes.

Everything here is a pure function of its input and a `np.random.Generator`.

Only while OpenCV processes pixels can other Python threads run. Therefore all other work is kept
short: scalars are Python numbers, and the objects of all images are processed in one NumPy call.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from utils.resize import Resize, fit_scale
from utils.training_data.compose import Rectangle, Sample, image_size, place, render


@dataclass(frozen=True)
class Augmentation:
    """How strongly training images are varied; if all are 0, they are only fitted to the input.

    Attributes:
        mosaic: probability of combining four images.
        mixup: probability of blending in another image.
        cutmix: probability of pasting a rectangle of another image.
        flip: probability of a left-right flip.
        scale: zoom by a factor of 1 - scale to 1 + scale; at 1 the image just fits into the input.
        translate: largest shift, relative to the input's width and height.
        hue: largest change of hue, as a fraction of the color circle.
        saturation: largest relative change of saturation.
        value: largest relative change of brightness.
    """

    mosaic: float = 0.5
    mixup: float = 0.15
    cutmix: float = 0.0
    flip: float = 0.5
    scale: float = 0.4
    translate: float = 0.1
    hue: float = 0.015
    saturation: float = 0.6
    value: float = 0.4


def scale_translate(
    source: Sample,
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: Resize = "letterbox",
    tile: Rectangle | None = None,
) -> Sample:
    """Place one image in the input: fitted, zoomed, shifted and perhaps flipped.

    Args:
        source: an image of any size and its objects.
        size: height and width of the input.
        augmentation: its `scale`, `translate` and `flip` are used.
        rng: the random numbers.
        resize: how the image is fitted to the input before it is zoomed.
        tile: the part of the input to which the image is cropped; None: all of it.

    Returns:
        The image of `size` and its objects. Objects entirely outside are dropped, objects of
        which little is visible are difficult.
    """
    whole = Rectangle(0, 0, size[1], size[0])
    scale = _zoom(source.image, size, augmentation, rng, resize)
    shift = rng.uniform(-augmentation.translate, augmentation.translate, 2).tolist()
    center = tuple(side * (0.5 + s) for side, s in zip(whole.size, shift, strict=True))
    flip = rng.random() < augmentation.flip
    return render(size, [place(source, tile or whole, scale, center, flip)])


def mosaic(
    sources: Sequence[Sample],
    size: tuple[int, int],
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: Resize = "letterbox",
) -> Sample:
    """Combine four images in the input, each zoomed, perhaps flipped and cropped to its tile.

    Bochkovskiy et al. 2020, section 3.3.

    Args:
        sources: four images of any sizes and their objects.
        size: height and width of the input.
        augmentation: its `scale` and `flip` are used.
        rng: the random numbers.
        resize: as in `scale_translate`.

    Returns:
        The image of `size` and the objects of all four, cropped as in `scale_translate`.
    """
    bottom, right = size
    x, y = (rng.uniform(0.3, 0.7, 2) * (right, bottom)).round().astype(int).tolist()
    tiles = (
        Rectangle(0, 0, x, y),
        Rectangle(x, 0, right, y),
        Rectangle(0, y, x, bottom),
        Rectangle(x, y, right, bottom),
    )
    placements = []
    for source, tile in zip(sources, tiles, strict=True):
        # From about the size that fits its tile to the size it would have alone in the input.
        share = rng.uniform(0.5, 1)
        scale_x, scale_y = _zoom(source.image, size, augmentation, rng, resize)
        scale = (share * scale_x, share * scale_y)
        sides = zip(image_size(source.image), scale, strict=True)
        width, height = (pixels * factor for pixels, factor in sides)
        (tile_width, tile_height), (x_share, y_share) = tile.size, rng.random(2).tolist()
        center = (
            tile.left + width / 2 + x_share * (tile_width - width),
            tile.top + height / 2 + y_share * (tile_height - height),
        )
        flip = rng.random() < augmentation.flip
        placements.append(place(source, tile, scale, center, flip))
    return render(size, placements)


def mixup(first: Sample, second: Sample, rng: np.random.Generator) -> Sample:
    """Blend two images of the same size and keep the objects of both.

    Zhang et al. 2018; each weight stays near one half, so that all objects remain visible.
    """
    weight = rng.uniform(0.4, 0.6)
    image = cv2.addWeighted(first.image, weight, second.image, 1 - weight, 0)
    return Sample(
        image,
        np.concatenate([first.boxes, second.boxes]),
        np.concatenate([first.labels, second.labels]),
        np.concatenate([first.difficult, second.difficult]),
    )


def shift_colors(
    image: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """Shift the hue and scale the saturation and brightness of a uint8 RGB image."""
    strength = (augmentation.hue, augmentation.saturation, augmentation.value)
    if not any(strength):
        return image
    hue, saturation, value = (rng.uniform(-1, 1, 3) * strength).tolist()
    hues, saturations, values = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL))
    # OpenCV's full range has 256 steps of hue, so that uint8 arithmetic wraps around correctly.
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
    resize: Resize,
) -> tuple[float, float]:
    """Draw a random scale, along x and y, around the one that just fits the image in the input."""
    zoom = rng.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    scale_x, scale_y = fit_scale(image_size(image), size, resize)
    return scale_x * zoom, scale_y * zoom
