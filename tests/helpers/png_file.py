"""Writes PNG files row by row, whole or with data that ends early, plain or interlaced."""

import struct
import zlib

CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# By the standard: first row and column, steps between rows and columns.
ADAM7 = (
    *((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)),
    (1, 0, 2, 1),
)


def _chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png_bytes(width, height, color=2, depth=8, interlaced=False, kept=1.0, value=0xA5):
    """A PNG whose rows are filled with one byte, with a fraction of its data."""
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b""
    for top, left, down, across in passes if kept else ():
        columns = len(range(left, width, across))
        row = b"\0" + bytes([value]) * ((columns * depth * CHANNELS[color] + 7) // 8)
        rows += row * len(range(top, height, down)) if columns else b""
    rows = rows[: int(len(rows) * kept)]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced)
    palette = _chunk(b"PLTE", bytes(range(256)) * 3) if color == 3 else b""
    packed = zlib.compress(rows)
    half = len(packed) // 2  # in two chunks, as in large files
    parts = [_chunk(b"IDAT", packed[:half]), _chunk(b"IDAT", packed[half:])]
    start, end = b"\x89PNG\r\n\x1a\n", _chunk(b"IEND", b"")
    return start + _chunk(b"IHDR", header) + palette + b"".join(parts) + end
