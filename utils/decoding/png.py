"""Finds PNG files whose data ends early, for which decoders give black rows."""

import zlib
from collections.abc import Iterator

from PIL import Image

from utils.decoding.limits import RefusedImageError, require_bytes

PNG_START = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by color type
_MOST_EXPANSION = 1032  # of zlib
_PIECE = 1 << 20
# Of Adam7: first column and row, and the steps between columns and rows.
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)),
    (0, 1, 1, 2),
)


def bits_per_channel(data: bytes) -> int:
    """1, 2, 4, 8 or 16, as the header of a PNG file states."""
    return data[24]


def require_png_bytes(data: bytes, width: int, height: int) -> None:
    """Raise a RefusedImageError if a PNG file is too small for its pixels, whatever they are."""
    require_bytes(len(data), _unpacked_size(data, width, height) / _MOST_EXPANSION, width, height)


def require_whole_png(data: bytes, image: Image.Image) -> None:
    """Check that a decoded PNG has data for all its rows.

    Args:
        data: the file.
        image: what Pillow has decoded, in its own mode.

    Raises:
        RefusedImageError: rows are missing.
    """
    width, height = image.size
    # Missing rows are zero. If the image is interlaced, they are the last or the last but one, or
    # parts of its only row.
    last = [image.crop((0, row, width, row + 1)) for row in range(max(0, height - 2), height)]
    if len(last) == 2 and all(row.getbbox(alpha_only=False) is not None for row in last):
        return
    unpacker, size = zlib.decompressobj(), 0
    for packed in _packed(data):
        for start in range(0, len(packed), _PIECE):
            rest = packed[start : start + _PIECE]
            while rest:
                size += len(unpacker.decompress(rest, _PIECE))
                rest = unpacker.unconsumed_tail
    size += len(unpacker.flush())
    expected = _unpacked_size(data, width, height)
    if size < expected:
        raise RefusedImageError(f"its data ends early, after {size:,} of {expected:,} bytes")


def _packed(data: bytes) -> Iterator[bytes]:
    """The content of each chunk of pixels."""
    position = len(PNG_START)
    while position + 8 <= len(data):
        length = int.from_bytes(data[position : position + 4])
        if data[position + 4 : position + 8] == b"IDAT":
            yield data[position + 8 : position + 8 + length]
        position += 12 + length


def _unpacked_size(data: bytes, width: int, height: int) -> int:
    """Bytes of all rows, each with its filter, before compression."""
    bits = bits_per_channel(data) * _CHANNELS.get(data[25], 1)
    passes = _PASSES if data[28] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total
