"""Reads images of any format as 8-bit RGB."""

import io
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from utils.decoding.jpeg import JPEG_START, decode_jpeg
from utils.decoding.limits import MOST_PIXELS, RefusedImageError, require_few_pixels
from utils.decoding.png import PNG_START, bits_per_channel, require_png_bytes, require_whole_png
from utils.errors import FileError
from utils.files import reading
from utils.printable import one_line

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".bmp", ".dib", ".tif", ".tiff"}
    | {".webp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k", ".jpx", ".avif"}
    | {".heic", ".heif"}  # which Pillow does not read: a line says so
)

# Pillow warns about damaged metadata, which is not used here; damaged pixels raise an error.
warnings.filterwarnings("ignore", module=r"PIL\.")
# Pillow's own limit for opening a file; it raises an error for twice as many.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS

_UNKNOWN = "not an image of a known format"
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1")
_MOST_BYTES = 2 << 30
_EXIF_ORIENTATION = 0x0112
_EXIF_START = b"Exif\0\0"
_EXIF_WITHIN = 1 << 18  # bytes of a JPEG
_ROWS_AT_ONCE = 1 << 22  # pixels
_SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I")
_BRIGHT = 64  # of 255: what 14 of 16 bits can reach


class ImageError(FileError):
    """An image file cannot be read; the message has the file and the reason."""


def is_image_name(name: str) -> bool:
    """Whether a file name has an image suffix and is not hidden (like macOS's "._" files)."""
    suffix = f".{name.rpartition('.')[2].lower()}"
    return suffix in IMAGE_SUFFIXES and not name.startswith(".")


def read_image(path: str | Path, least_side: int = 0) -> np.ndarray:
    """Read an image file as it is displayed.

    Args:
        path: the file; the format is found from its content, not its suffix.
        least_side: if not 0, a JPEG is reduced by up to 8, with sides of at least so many pixels,
            which takes a fraction of the time; other images keep their size.

    Returns:
        uint8 `[H, W, 3]`, RGB. The EXIF rotation is applied. Gray, palette, CMYK and 16-bit images
        become 8-bit RGB (of 16 bits, the upper 8), an alpha channel is dropped, and an animation
        gives its first frame.

    Raises:
        ImageError: the file is missing, empty, unreadable, truncated or not an image.
    """
    return decode_image(read_bytes(path), path, least_side)


def read_bytes(path: str | Path) -> bytes:
    """Read the bytes of a file; raise an ImageError if it is missing, empty or unreadable."""
    try:
        data = reading.read_bytes(path, _MOST_BYTES)
    except FileError as error:
        raise ImageError(path, error.detail) from error
    if not data:
        raise ImageError(path, "the file is empty")
    return data


def decode_image(data: bytes, name: str | Path, least_side: int = 0) -> np.ndarray:
    """Decode the bytes of an image file as `read_image` does; `name` starts the error messages."""
    try:
        # Pillow takes twice the time for a JPEG, and does not notice that its data ends early.
        if data.startswith(JPEG_START):
            image = decode_jpeg(data, least_side)
            if image is not None:
                return _turned(image, exif_orientation(data))
        return _decode_with_pillow(data)
    except Image.UnidentifiedImageError:
        what = "HEIC, which is not read here; convert it to JPEG" if _is_heic(data) else _UNKNOWN
        raise ImageError(name, what) from None
    except Image.DecompressionBombError:
        detail = f"has more than {MOST_PIXELS:,} pixels; cut it into tiles"
        raise ImageError(name, detail) from None
    except RefusedImageError as error:
        raise ImageError(name, str(error)) from None
    except Exception as error:  # decoders raise almost any type for damaged files
        detail = f"unreadable or truncated image ({one_line(error)})"
        raise ImageError(name, detail) from error


def _is_heic(data: bytes) -> bool:
    """Whether the first box of the file, its type, names a brand of HEIF (ISO/IEC 23008-12)."""
    return data[4:8] == b"ftyp" and data[8:12] in _HEIC_BRANDS


def exif_orientation(data: bytes) -> int:
    """Read the EXIF orientation (1 to 8) from the bytes of an image file; 1 if it has none.

    5 to 8 swap width and height.
    """
    if data.startswith(JPEG_START) and data.find(_EXIF_START, 0, _EXIF_WITHIN) < 0:
        return 1
    try:
        with Image.open(io.BytesIO(data)) as image:
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises almost any type for a damaged EXIF block
        return 1
    return orientation if orientation in range(1, 9) else 1


def unused_bits(data: bytes, image: np.ndarray) -> str:
    """Describe a 16-bit image that holds values of fewer bits, and so is almost black.

    Args:
        data: the bytes of the file.
        image: what `decode_image` made of them.

    Returns:
        What was found, empty for any other image.
    """
    highest = int(image.max(initial=0))
    if highest >= _BRIGHT or not _has_sixteen_bits(data):
        return ""
    return (
        f"16-bit image whose values end below {256 * (highest + 1)}, so that the network sees 0 to "
        f"{highest} of 255; scale the values to 0 to 65535"
    )


def _has_sixteen_bits(data: bytes) -> bool:
    if data.startswith(PNG_START):
        return bits_per_channel(data) == 16
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.mode in _SIXTEEN_BITS
    except Exception:  # as in `exif_orientation`
        return False


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """An image as it is displayed, from its pixels as stored and its EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def _decode_with_pillow(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        require_few_pixels(*image.size)
        is_png = image.format == "PNG"
        if is_png:
            require_png_bytes(data, *image.size)
        image.load()
        if is_png:
            require_whole_png(data, image)
        ImageOps.exif_transpose(image, in_place=True)
        width, height = image.size
        pixels = np.empty((height, width, 3), np.uint8)
        # A few rows at a time: several copies of a large image would take gigabytes.
        step = max(1, _ROWS_AT_ONCE // width)
        for top in range(0, height, step):
            rows = image.crop((0, top, width, min(top + step, height)))
            pixels[top : top + step] = _to_rgb(rows)
        return pixels


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode to uint8 `[H, W, 3]`."""
    if image.mode == "F":
        raise RefusedImageError("32-bit float pixels have no known range; expected 8 or 16 bits")
    if image.mode.startswith("I"):
        gray = (np.clip(np.asarray(image), 0, 0xFFFF) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns if converted to RGB directly
    return np.asarray(image.convert("RGB"))
