"""CutMix for detection: a rectangle of one image is pasted over another."""

import math

import numpy as np

from utils.resize import Resize
from utils.training_data.augment import Augmentation, scale_translate
from utils.training_data.compose import MIN_SIDE, MIN_VISIBLE, Rectangle, Sample, areas, image_size


def cutmix(
    first: Sample,
    second: Sample,
    augmentation: Augmentation,
    rng: np.random.Generator,
    resize: Resize = "letterbox",
) -> Sample:
    """Paste a random rectangle of a second image over the first (Yun et al. 2019, section 3.1).

    Args:
        first: an image of the size of the input and its objects.
        second: an image of any size and its objects.
        augmentation: its `scale`, `translate` and `flip` are used for the second image.
        rng: the random numbers.
        resize: as in `scale_translate`.

    Returns:
        The image with what is visible of the objects of both.
    """
    tile = _random_rectangle(first.image, rng)
    size = first.image.shape[:2]
    part = scale_translate(second, size, augmentation, rng, resize, tile)
    image = first.image.copy()
    tile.of(image)[:] = tile.of(part.image)
    rest = cover(first, tile)
    return Sample(
        image,
        np.concatenate([rest.boxes, part.boxes]),
        np.concatenate([rest.labels, part.labels]),
        np.concatenate([rest.difficult, part.difficult]),
    )


def cover(sample: Sample, rectangle: Rectangle) -> Sample:
    """What is left of the objects of an image over which a rectangle has been drawn.

    The box of an object ends where the rectangle hides all beyond. Hidden objects are dropped;
    those of which little is visible are difficult, as in `render`.
    """
    boxes = sample.boxes.reshape(-1, 2, 2)
    low, high = np.array(rectangle, np.float32).reshape(2, 2)
    first, last = boxes[:, 0], boxes[:, 1]
    hidden = np.clip(boxes, low, high)
    visible = areas(boxes) - areas(hidden)
    # Along x a box becomes shorter if the rectangle hides its whole height, and vice versa.
    spans = (low <= first) & (last <= high)
    cut = spans[:, ::-1] & (areas(hidden) > 0)[:, None]
    start = np.where(cut & (low <= first), hidden[:, 1], first)
    end = np.where(cut & (last <= high), hidden[:, 0], last)
    difficult = sample.difficult | (visible < MIN_VISIBLE * areas(boxes))
    difficult |= (end - start).min(axis=1) < MIN_SIDE
    seen = visible > 0
    left = np.concatenate([start, end], axis=1)
    return Sample(sample.image, left[seen], sample.labels[seen], difficult[seen])


def _random_rectangle(image: np.ndarray, rng: np.random.Generator) -> Rectangle:
    """A rectangle of the image's proportions, whose area is uniform before it is clipped."""
    share = math.sqrt(rng.random())
    ends = []
    for side in image_size(image):
        center, half = rng.random() * side, share * side / 2
        ends.append((max(round(center - half), 0), min(round(center + half), side)))
    (left, right), (top, bottom) = ends
    return Rectangle(left, top, right, bottom)
