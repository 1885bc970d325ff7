"""Reads images of any format as 8-bit RGB."""

import contextlib
import io
import re
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from utils.errors import UserError
from utils.files.reading import LFS_POINTER, begins_as_pointer

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".tif", ".tiff"}
    | {".webp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
    | {".heic", ".heif"}  # which Pillow does not read: a line says so
)

# Pillow warns about damaged metadata, which is not used here; damaged pixels raise an error.
warnings.filterwarnings("ignore", module=r"PIL\.")

_UNKNOWN = "not an image of a known format"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1")
_EXIF_ORIENTATION = 0x0112
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
# In compressed data, 0xFF starts a marker unless a stuffed zero, a restart or a fill byte follows.
_JPEG_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_AFTER_SCAN = frozenset({0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})


class ImageError(UserError):
    """An image file cannot be read; the message has the file and the reason."""


def is_image_name(name: str) -> bool:
    """Whether a file name has an image suffix and is not hidden (like macOS's "._" files)."""
    suffix = f".{name.rpartition('.')[2].lower()}"
    return suffix in IMAGE_SUFFIXES and not name.startswith(".")


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as it is displayed.

    Args:
        path: the file; the format is found from its content, not its suffix.

    Returns:
        uint8 `[H, W, 3]`, RGB. The EXIF rotation is applied. Gray, palette, CMYK and 16-bit images
        become 8-bit RGB (of 16 bits, the upper 8), an alpha channel is dropped, and an animation
        gives its first frame.

    Raises:
        ImageError: the file is missing, empty, unreadable, truncated or not an image.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: str | Path) -> bytes:
    """Read the bytes of a file; raise an ImageError if it is missing, empty or unreadable."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read: {_reason(error)}") from error
    if not data:
        raise ImageError(f"{path}: the file is empty")
    if begins_as_pointer(data):
        raise ImageError(f"{path}: {LFS_POINTER}")
    return data


def decode_image(data: bytes, name: str | Path) -> np.ndarray:
    """Decode the bytes of an image file as `read_image` does; `name` starts the error messages."""
    # OpenCV takes 0.6 of Pillow's time for a JPEG and about the same for other formats, but it
    # reads damaged files without an error or prints warnings, so it only gets complete JPEGs.
    if data.startswith(_JPEG_START) and _is_complete_jpeg(data, name):
        with contextlib.suppress(cv2.error):  # a damaged header can state too many pixels
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            if image is not None:
                return image
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except Image.UnidentifiedImageError:
        what = "HEIC, which is not read here; convert it to JPEG" if _is_heic(data) else _UNKNOWN
        raise ImageError(f"{name}: {what}") from None
    except Exception as error:  # Pillow's decoders raise almost any type for damaged files
        raise ImageError(f"{name}: unreadable or truncated image ({_reason(error)})") from error


def _is_heic(data: bytes) -> bool:
    """Whether the first box of the file, its type, names a brand of HEIF (ISO/IEC 23008-12)."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS


def exif_orientation(data: bytes) -> int:
    """Read the EXIF orientation (1 to 8) from the bytes of an image file; 1 if it has none.

    5 to 8 swap width and height.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises almost any type for a damaged EXIF block
        return 1
    return orientation if orientation in range(1, 9) else 1


def _is_complete_jpeg(data: bytes, name: str | Path) -> bool:
    """Whether a JPEG has one or three channels, and every marker up to its end.

    Raises:
        ImageError: the compressed data contains a marker that is not allowed there.
    """
    position = 2
    while position + 2 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == _JPEG_END:
            return True
        if marker == 0xFF:
            position += 1
            continue
        if 0xC0 <= marker <= 0xC2 and data[position + 9 : position + 10] not in (b"\x01", b"\x03"):
            return False
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
        if marker == _JPEG_SCAN:
            next_marker = _JPEG_NEXT_MARKER.search(data, position)
            if next_marker is None:
                return False
            position = next_marker.start()
            if data[position + 1] not in _JPEG_AFTER_SCAN:
                raise ImageError(f"{name}: damaged JPEG data at byte {position}")
    return False


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode to uint8 `[H, W, 3]`."""
    if image.mode == "F":
        raise ImageError("32-bit float pixels have no known range; expected 8 or 16 bits")
    if image.mode.startswith("I"):
        gray = (np.clip(np.asarray(image), 0, 0xFFFF) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns if converted to RGB directly
    return np.array(image.convert("RGB"))


def _reason(error: Exception) -> str:
    """The message of an error, on one line."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(message.split()) or type(error).__name__
