"""What the checks have to know of an image file."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from utils.image import decode_image, exif_orientation, read_bytes


@dataclass(frozen=True)
class ImageFacts:
    """What the checks have to know of an image file.

    Attributes:
        size: width and height in pixels, as displayed.
        orientation: the EXIF orientation, 1 to 8.
        digest: a hash of the file's bytes.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes


def read_facts(image: Path) -> ImageFacts:
    """Read and decode a whole image file.

    Raises:
        ImageError: it is missing, empty, unreadable, truncated or no image.
    """
    data = read_bytes(image)
    height, width, _ = decode_image(data, image).shape
    digest = blake2b(data, digest_size=16).digest()
    return ImageFacts((width, height), exif_orientation(data), digest)
