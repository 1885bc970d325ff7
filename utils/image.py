"""Reading images of any kind as 8-bit RGB, and fitting them into the network's input."""

import contextlib
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from utils.errors import UserError

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm"}
    | {".pgm", ".jp2"}
)

# What surrounds an image in the network's input.
GRAY = 128

# Pillow warns of damaged metadata, which nothing here reads; damaged pixels are an error.
warnings.filterwarnings("ignore", module=r"PIL\.")

_EXIF_ORIENTATION = 0x0112
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
# In the compressed data a marker is any 0xFF not followed by a stuffed zero, a restart or a fill.
_JPEG_NEXT_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_JPEG_MAY_FOLLOW_A_SCAN = frozenset({0xC4, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})


class ImageError(UserError):
    """An image file that cannot be read; the message names the file and says why."""


def is_image_name(name: str) -> bool:
    """Whether a file's name has an image's suffix and is not hidden (as macOS's "._" files are)."""
    suffix = f".{name.rpartition('.')[2].lower()}"
    return suffix in IMAGE_SUFFIXES and not name.startswith(".")


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as it is displayed.

    Args:
        path: the file. The suffix does not matter, the content does.

    Returns:
        uint8 `[H, W, 3]`, RGB. The EXIF rotation is applied; gray, palette, CMYK and 16-bit images
        become 8-bit RGB (16 bits keep the upper eight), an alpha channel is left out, and of an
        animation the first frame is taken.

    Raises:
        ImageError: the file is missing, empty, unreadable, truncated or no image.
    """
    return decode_image(read_bytes(path), path)


def read_bytes(path: str | Path) -> bytes:
    """Read a whole file; an ImageError says why when it is missing, empty or not readable."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({_reason(error)})") from error
    if not data:
        raise ImageError(f"{path}: the file is empty")
    return data


def decode_image(data: bytes, name: str | Path) -> np.ndarray:
    """Decode the bytes of an image file; `read_image` says how. `name` stands in the errors."""
    # OpenCV takes 0.6 of Pillow's time for a JPEG and about the same for anything else, but it
    # reads damaged files with no error or with warnings on stderr: it gets the sound JPEGs only.
    if data.startswith(_JPEG_START) and _is_sound_jpeg(data, name):
        with contextlib.suppress(cv2.error):  # a damaged size: more pixels than it takes
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
            if image is not None:
                return image
    try:
        with Image.open(io.BytesIO(data)) as image:
            return _to_rgb(ImageOps.exif_transpose(image))
    except ImageError as error:
        raise ImageError(f"{name}: {error}") from None
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}: not an image of a known format") from None
    except Exception as error:  # on damaged files Pillow's decoders raise nearly any type
        raise ImageError(f"{name}: unreadable or truncated image ({_reason(error)})") from error


def exif_orientation(data: bytes) -> int:
    """The EXIF orientation (1 to 8) in the bytes of an image file; 1 where none can be read.

    5 to 8 swap width and height.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # Pillow raises nearly any type on a damaged EXIF block
        return 1
    return orientation if orientation in range(1, 9) else 1


def _is_sound_jpeg(data: bytes, name: str | Path) -> bool:
    """Whether a JPEG is gray or color and whole, from the first marker to the last.

    Raises:
        ImageError: the compressed data holds a marker that cannot stand there.
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
            following = _JPEG_NEXT_MARKER.search(data, position)
            if following is None:
                return False
            position = following.start()
            if data[position + 1] not in _JPEG_MAY_FOLLOW_A_SCAN:
                raise ImageError(f"{name}: damaged JPEG data at byte {position}")
    return False


def _to_rgb(image: Image.Image) -> np.ndarray:
    """Convert a Pillow image of any mode to uint8 `[H, W, 3]`."""
    if image.mode == "F":
        raise ImageError("32-bit float pixels have no known range; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        gray = (np.clip(np.asarray(image), 0, 0xFFFF) >> 8).astype(np.uint8)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns
    return np.array(image.convert("RGB"))


def _reason(error: Exception) -> str:
    """The error's own words, on one line."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(words.split()) or type(error).__name__


@dataclass(frozen=True)
class Letterbox:
    """How a source image lies in the network's input: resized, centered, gray around it.

    Attributes:
        source_size: width and height of the source in pixels.
        input_size: height and width of the network's input in pixels.
        resized: width and height of the source after resizing, whole pixels.
        pad_x: columns of padding to the left.
        pad_y: rows of padding above.
    """

    source_size: tuple[int, int]
    input_size: tuple[int, int]
    resized: tuple[int, int]
    pad_x: int
    pad_y: int

    @classmethod
    def fit(cls, source_size: tuple[int, int], input_size: tuple[int, int]) -> "Letterbox":
        """The largest fit that keeps the aspect ratio, to within a pixel.

        Args:
            source_size: width and height of the source.
            input_size: height and width of the network's input.
        """
        width, height = source_size
        input_height, input_width = input_size
        scale = min(input_width / width, input_height / height)
        resized = (max(1, round(width * scale)), max(1, round(height * scale)))
        pad_x, pad_y = (input_width - resized[0]) // 2, (input_height - resized[1]) // 2
        return cls((width, height), (input_height, input_width), resized, pad_x, pad_y)

    @property
    def scale(self) -> float:
        """Input pixels per source pixel, before rounding to whole pixels."""
        (width, height), (input_height, input_width) = self.source_size, self.input_size
        return min(input_width / width, input_height / height)

    def apply(self, boxes: np.ndarray) -> np.ndarray:
        """Move boxes `[N, 4]` (xyxy) from source pixels to input pixels, float32."""
        return (np.asarray(boxes).reshape(-1, 4) * self._factors + self._offsets).astype(np.float32)

    def invert(self, boxes: np.ndarray) -> np.ndarray:
        """Move boxes `[N, 4]` (xyxy) back to source pixels, clipped to the source, float32."""
        source = (np.asarray(boxes).reshape(-1, 4) - self._offsets) / self._factors
        return np.clip(source, 0, np.tile(self.source_size, 2)).astype(np.float32)

    @property
    def _factors(self) -> np.ndarray:
        return np.tile(np.divide(self.resized, self.source_size), 2)

    @property
    def _offsets(self) -> np.ndarray:
        return np.tile((self.pad_x, self.pad_y), 2)


def letterbox(image: np.ndarray, input_size: tuple[int, int]) -> tuple[np.ndarray, Letterbox]:
    """Fit an image into the network's input, centered on gray, its aspect ratio kept.

    Args:
        image: uint8 `[H, W, 3]`.
        input_size: height and width of the result.

    Returns:
        uint8 `[height, width, 3]` and the Letterbox that moves boxes there and back.
    """
    fit = Letterbox.fit((image.shape[1], image.shape[0]), input_size)
    canvas = np.full((*input_size, 3), GRAY, np.uint8)
    width, height = fit.resized
    method = cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR
    resized = cv2.resize(image, fit.resized, interpolation=method)
    canvas[fit.pad_y : fit.pad_y + height, fit.pad_x : fit.pad_x + width] = resized
    return canvas, fit
