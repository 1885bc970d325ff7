"""Decodes JPEG, and finds data that is damaged or ends early."""

from functools import partial
from typing import Any

import numpy as np
import simplejpeg

from utils.decoding.limits import RefusedImageError, require_bytes, require_few_pixels

JPEG_START = b"\xff\xd8\xff"
_SCAN = b"\xff\xda"  # elsewhere in compressed data, another byte follows 0xFF
# Each scan may go through all pixels again. Programs write about 10.
_MOST_SCANS = 100
_BLOCK = 8  # pixels
# What libjpeg-turbo remarks on in whole files, which some cameras write.
_HARMLESS = (
    *("extraneous bytes before marker", "Invalid SOS parameters", "Unknown Adobe color"),
    *("Inconsistent progression sequence", "unknown JFIF revision number"),
)


def decode_jpeg(data: bytes, least_side: int = 0) -> np.ndarray | None:
    """Decode a JPEG as it is stored, whatever its EXIF rotation.

    Args:
        data: the bytes of the file.
        least_side: if not 0, the image is reduced by up to 8, with sides of at least so many
            pixels, which takes a fraction of the time.

    Returns:
        uint8 `[H, W, 3]`, RGB; None if it has four channels or is of a kind that libjpeg-turbo
        does not read.

    Raises:
        ValueError: it has too many pixels, or its data is damaged or ends early.
    """
    try:
        header: Any = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    height, width, colors, _ = header
    require_few_pixels(width, height)
    # In Huffman's code, each block takes a bit at least.
    blocks = -(-width // _BLOCK) * -(-height // _BLOCK)
    require_bytes(len(data), blocks / 8, width, height)
    if data.count(_SCAN) > _MOST_SCANS:
        detail = f"has {data.count(_SCAN)} scans; expected at most {_MOST_SCANS}"
        raise RefusedImageError(detail)
    has_four = colors in ("CMYK", "YCCK")
    image = _decode(data, "CMYK" if has_four else "RGB", least_side)
    return None if has_four else image


def _decode(data: bytes, colors: Any, least_side: int) -> np.ndarray:
    decode = partial(
        simplejpeg.decode_jpeg, data, colors, min_height=least_side, min_width=least_side
    )
    try:
        return decode()
    except ValueError as error:
        if not any(remark in str(error) for remark in _HARMLESS):
            raise
        return decode(strict=False)
