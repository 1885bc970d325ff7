"""What was read of a data set's files, kept from one scan to the next.

Reading and decoding every image is most of what a scan takes, and reading every XML file most of
the rest. A file that could be read is not read again while its size and times of change and the
code that reads it are the same.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import cv2
import PIL

import utils.image
from utils.annotations.images import ImageFacts, read_facts
from utils.annotations.source import Annotation, Entry, Kind, Problem, RawObject
from utils.files import write_atomically

# A file that is changed twice within a tick of its clock looks the same after both; the coarsest
# clock (FAT's) ticks every two seconds. What is younger is read again next time.
_UNSETTLED_NS = 2 * 10**9


class KnownFiles:
    """What is known of a data set's files, in a file in the user's cache folder.

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

    def holds(self, image: Path) -> bool:
        """Whether the image was read by an earlier scan and has not changed since."""
        known = self._known.get(str(image.absolute()))
        return known is not None and known[0] == _stamp(image)

    def image(self, image: Path) -> ImageFacts:
        """As `read_facts`, without reading the image where it is known; safe in threads."""

        def read() -> list:
            facts = read_facts(image)
            return [*facts.size, facts.orientation, facts.digest.hex()]

        width, height, orientation, digest = self._read(image, read)
        return ImageFacts((width, height), orientation, bytes.fromhex(digest))

    def annotation(self, entry: Entry) -> Annotation:
        """As `entry.read`, without reading a file where it is known; safe in threads."""
        if not entry.alone:
            return entry.read()
        return _unpacked(entry.file, self._read(entry.file, lambda: _packed(entry.read())))

    def save(self) -> None:
        """Keep what is known of the files that were read, and of no others."""
        if self._seen == self._known:
            return
        # A name of its own, as several trainings may begin at once.
        passing = self._file.with_suffix(f".{os.getpid()}")
        with suppress(OSError):
            write_atomically(passing, json.dumps({"rules": _rules(), "files": self._seen}))
            passing.replace(self._file)

    def _read(self, file: Path, read: Callable[[], list]) -> list:
        """What `read` gives, or gave for this file."""
        path, stamp = str(file.absolute()), _stamp(file)
        if stamp is None:
            return read()  # which says what is wrong
        known = self._known.get(path)
        content = known[1] if known and known[0] == stamp else read()
        if max(stamp[1:]) < self._settled:
            self._seen[path] = [stamp, content]
        return content

    def _load(self) -> dict[str, list]:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            return dict(content["files"]) if content["rules"] == _rules() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}


def _stamp(file: Path) -> list[int] | None:
    """Size and times of change of a file; None where there is none."""
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def cache_folder() -> Path:
    """`yolov4` in `$XDG_CACHE_HOME`, or else in `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "yolov4" / "scans"


def _packed(annotation: Annotation) -> list:
    """An annotation as JSON can have it."""
    objects = [[o.category, *o.corners, o.where, o.difficult] for o in annotation.objects]
    problems = [[p.kind.name, p.where, p.detail] for p in annotation.problems]
    return [objects, problems, annotation.size, annotation.relative]


def _unpacked(file: Path, content: list) -> Annotation:
    objects, problems, size, relative = content
    return Annotation(
        [
            RawObject(category, tuple(corners), where, difficult)
            for category, *corners, where, difficult in objects
        ],
        [Problem(Kind[kind], file, where, detail) for kind, where, detail in problems],
        size and tuple(size),
        relative,
    )


def _rules() -> list[str]:
    """What is known depends on these beside the files: the code and the libraries that read."""
    code = [Path(utils.image.__file__), *sorted(Path(__file__).parent.glob("*.py"))]
    hashes = (blake2b(path.read_bytes(), digest_size=16).hexdigest() for path in code)
    return [cv2.__version__, PIL.__version__, *hashes]
