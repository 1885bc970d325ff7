"""A cache of what scans of a data set read from its files.

Decoding every image takes most of the time of a scan, and parsing every XML file most of the rest.
A file is read again only if its size, its times of change, or the code that reads it has changed.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import cv2
import PIL

import utils.image
from utils.annotations.raw import Annotation, Entry, Finding, Problem, RawObject
from utils.files.folders import home_folder
from utils.files.writing import remove_leftovers, write_atomically
from utils.image import decode_image, exif_orientation, read_bytes

# A file that changes twice within one tick of the file system's clock keeps its times, and the
# coarsest clock (FAT's) ticks every two seconds. Files younger than that are not cached.
_MIN_AGE_NS = 2 * 10**9


@dataclass(frozen=True)
class ImageFacts:
    """What the checks need to know about an image file.

    Attributes:
        size: width and height in pixels, as displayed.
        orientation: the EXIF orientation, 1 to 8.
        digest: a hash of the file's bytes.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes


def read_facts(image: Path) -> ImageFacts:
    """Read and decode an image file.

    Raises:
        ImageError: it is missing, empty, unreadable, truncated or not an image.
    """
    data = read_bytes(image)
    height, width, _ = decode_image(data, image).shape
    digest = blake2b(data, digest_size=16).digest()
    return ImageFacts((width, height), exif_orientation(data), digest)


class ScanCache:
    """Reads the files of a data set, and keeps the results in the user's cache folder.

    The cache file may be deleted at any time. A damaged file only means that everything is read
    again; so does a folder that is not writable, about which a line is printed.

    Args:
        data: the paths of the data set; each combination of paths has a separate cache file.
    """

    def __init__(self, data: Sequence[Path]) -> None:
        paths = "\0".join(str(path.absolute()) for path in data)
        name = blake2b(os.fsencode(paths), digest_size=16).hexdigest()
        self._file = cache_folder() / f"{name}.json"
        self._newest_cacheable = time.time_ns() - _MIN_AGE_NS
        self._previous = self._load()
        self._current: dict[str, list] = {}

    def has(self, image: Path) -> bool:
        """Whether an earlier scan has read the image and it has not changed since."""
        cached = self._previous.get(str(image.absolute()))
        return cached is not None and cached[0] == _stamp(image)

    def image_facts(self, image: Path) -> ImageFacts:
        """Return `read_facts(image)`, from the cache if possible; thread-safe."""

        def read() -> list:
            facts = read_facts(image)
            return [*facts.size, facts.orientation, facts.digest.hex()]

        width, height, orientation, digest = self._get(image, read)
        return ImageFacts((width, height), orientation, bytes.fromhex(digest))

    def annotation(self, entry: Entry) -> Annotation:
        """Return `entry.read()`, from the cache if possible; thread-safe."""
        if not entry.cacheable:
            return entry.read()
        return _from_json(entry.file, self._get(entry.file, lambda: _to_json(entry.read())))

    def save(self) -> None:
        """Write what this scan read, and drop files that it did not use."""
        if self._current == self._previous:
            return
        try:
            write_atomically(self._file, json.dumps({"code": _code(), "files": self._current}))
            remove_leftovers(self._file.parent, shared=True)
        except OSError as error:
            print(f"the next start will read the data again: {self._file}: {error.strerror}")

    def _get(self, file: Path, read: Callable[[], list]) -> list:
        path, stamp = str(file.absolute()), _stamp(file)
        if stamp is None:
            return read()  # raises the error that says why
        cached = self._previous.get(path)
        content = cached[1] if cached and cached[0] == stamp else read()
        if max(stamp[1:]) < self._newest_cacheable:
            self._current[path] = [stamp, content]
        return content

    def _load(self) -> dict[str, list]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            return dict(content["files"]) if content["code"] == _code() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _stamp(file: Path) -> list[int] | None:
    """Size and times of change of a file, None if it does not exist."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def cache_folder() -> Path:
    """`yolov4/scans` in `$XDG_CACHE_HOME`, or in `~/.cache` if that is not set.

    For a user without a home it is in `/.cache`, which cannot be written.
    """
    base = os.environ.get("XDG_CACHE_HOME") or (home_folder() or Path("/")) / ".cache"
    return Path(base) / "yolov4" / "scans"


def _to_json(annotation: Annotation) -> list:
    objects = [[o.category, *o.corners, o.where, o.difficult] for o in annotation.objects]
    findings = [[f.problem.name, f.where, f.detail] for f in annotation.findings]
    return [objects, findings, annotation.size, annotation.relative]


def _from_json(file: Path, content: list) -> Annotation:
    objects, findings, size, relative = content
    return Annotation(
        [
            RawObject(category, tuple(corners), where, difficult)
            for category, *corners, where, difficult in objects
        ],
        [Finding(Problem[name], file, where, detail) for name, where, detail in findings],
        size and tuple(size),
        relative,
    )


def _code() -> list[str]:
    """Versions of everything that reads files: the libraries, and hashes of the code."""
    code = [Path(utils.image.__file__), *sorted(Path(__file__).parent.rglob("*.py"))]
    hashes = (blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in code)
    return [cv2.__version__, PIL.__version__, *hashes]
