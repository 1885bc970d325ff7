"""What the checks have to know of each image file, kept from one scan to the next.

Reading and decoding every image is most of what a scan takes. An image that was sound is not read
again while its size and times of change and the code that reads it are the same.
"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import PIL

import utils.image
from utils.files import write_whole
from utils.image import decode_image, exif_orientation, read_bytes

# A file that is changed twice within a tick of its clock looks the same after both; the coarsest
# clock (FAT's) ticks every two seconds. What is younger is read again next time.
_UNSETTLED_NS = 2 * 10**9


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


class KnownImages:
    """The facts of a data set's images, in a file in the user's cache folder.

    The file may be removed at any time; one that is damaged, or cannot be written, is done without.

    Args:
        data: the paths of the data set; each has a file of its own.
    """

    def __init__(self, data: Sequence[Path]) -> None:
        paths = "\0".join(str(path.absolute()) for path in data)
        name = blake2b(os.fsencode(paths), digest_size=16).hexdigest()
        self._file = cache_folder() / f"{name}.json"
        self._settled = time.time_ns() - _UNSETTLED_NS
        self._known = self._load()
        self._seen: dict[str, list] = {}

    def read(self, image: Path) -> ImageFacts:
        """As `read_facts`, without reading the image where it is known; safe in threads."""
        path = str(image.absolute())
        try:
            status = image.stat()
        except (OSError, ValueError):
            return read_facts(image)  # which says what is wrong
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        known = self._known.get(path)
        if known and known[: len(stamp)] == stamp:
            width, height, orientation, digest = known[len(stamp) :]
            facts = ImageFacts((width, height), orientation, bytes.fromhex(digest))
        else:
            facts = read_facts(image)
        if max(stamp[1:]) < self._settled:
            self._seen[path] = [*stamp, *facts.size, facts.orientation, facts.digest.hex()]
        return facts

    def save(self) -> None:
        """Keep the facts of the images that were read, and of no others."""
        if self._seen == self._known:
            return
        # A name of its own, as several trainings may begin at once.
        passing = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            write_whole(passing, json.dumps({"rules": _rules(), "images": self._seen}))
            passing.replace(self._file)

    def _load(self) -> dict[str, list]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            return dict(content["images"]) if content["rules"] == _rules() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def cache_folder() -> Path:
    """`yolov4` in `$XDG_CACHE_HOME`, or else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "yolov4" / "scans"


def _rules() -> list[str]:
    """What the facts depend on beside the files: the code and the libraries that read images."""
    sources = (Path(module).read_bytes() for module in (utils.image.__file__, __file__))
    return [cv2.__version__, PIL.__version__, *(blake2b(s).hexdigest() for s in sources)]
