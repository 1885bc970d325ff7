"""A perceptual hash of images: similar images have similar rows of bits."""

from pathlib import Path

import imagehash
import numpy as np
from PIL import Image

from utils.image import ImageError, read_image

_SIDE = 16
BITS = _SIDE * _SIDE
_READ_SIDE = 128  # pixels; the hash is made of 64x64


def perceptual_hash(pixels: np.ndarray) -> np.ndarray:
    """The signs of an image's lowest spatial frequencies around their median (pHash).

    Args:
        pixels: uint8 `[H, W, 3]` RGB, of any size.

    Returns:
        bool `[BITS]`.
    """
    return imagehash.phash(Image.fromarray(pixels), hash_size=_SIDE).hash.ravel()


def hash_file(image: Path) -> np.ndarray | None:
    """The hash of an image file, bool `[BITS]`; None if it cannot be read."""
    try:
        return perceptual_hash(read_image(image, _READ_SIDE))
    except ImageError:
        return None
