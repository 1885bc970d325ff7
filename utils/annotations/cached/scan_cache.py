"""A cache of what scans of a data set read from its files.

Decoding every image takes most of the time of a scan, and parsing annotations most of the rest.
A file is read again only if its size, its times of change, or the code that reads it has changed.
"""

import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from utils.annotations.cached.cache_file import (
    cache_folder,
    code_versions,
    name_of,
    newest_cacheable,
    read_kept,
    stamp_of,
    write_cache,
    write_kept,
)
from utils.annotations.cached.packed import pack, unpack
from utils.annotations.raw import Annotation, Entry
from utils.errors import FileError
from utils.files.reading import read_json, reading
from utils.image import decode_image, exif_orientation, read_bytes, unused_bits

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the checks need to know about an image file.

    Attributes:
        size: width and height in pixels, as displayed.
        orientation: the EXIF orientation, 1 to 8.
        digest: a hash of the file's bytes.
        unused_bits: what `utils.image.unused_bits` found.
    """

    size: tuple[int, int]
    orientation: int
    digest: bytes
    unused_bits: str = ""


def read_facts(image: Path) -> ImageFacts:
    """Read and decode an image file.

    Raises:
        ImageError: it is missing, empty, unreadable, truncated or not an image.
    """
    data = read_bytes(image)
    pixels = decode_image(data, image)
    height, width, _ = pixels.shape
    digest = blake2b(data, digest_size=16).digest()
    return ImageFacts((width, height), exif_orientation(data), digest, unused_bits(data, pixels))


class ScanCache:
    """Reads the files of a data set, and keeps the results in the user's cache folder.

    The cache file may be deleted at any time. A damaged file only means that everything is read
    again; so does a folder that is not writable, about which a line is printed.

    Args:
        data: the paths of the data set; each combination of paths has a separate cache file.
    """

    def __init__(self, data: Sequence[Path]) -> None:
        self._folder = Path.cwd()
        self._file = cache_folder() / f"{name_of(*(path.absolute() for path in data))}.json"
        self._newest_cacheable = newest_cacheable()
        self._previous = self._load()
        self._current: dict[str, list] = {}
        self._stamps: dict[str, list[Any] | None] = {}

    def has(self, image: Path) -> bool:
        """Whether an earlier scan has read the image and it has not changed since."""
        path = self._path(image)
        # Kept for `image_facts`. If the file changes in between, what is read then is newer than
        # its stamp, so that the next scan reads it again.
        stamp = self._stamps[path] = stamp_of(path)
        cached = self._previous.get(path)
        return isinstance(cached, list) and cached[:1] == [stamp]

    def image_facts(self, image: Path) -> ImageFacts:
        """Return `read_facts(image)`, from the cache if possible; thread-safe."""

        def read() -> list:
            facts = read_facts(image)
            return [*facts.size, facts.orientation, facts.digest.hex(), facts.unused_bits]

        def parse(content: list) -> ImageFacts:
            width, height, orientation, digest, remark = content
            size = (int(width), int(height))
            return ImageFacts(size, int(orientation), bytes.fromhex(digest), str(remark))

        return self._get(image, read, parse)

    def annotation(self, entry: Entry) -> Annotation:
        """Return `entry.read()`, from the cache if possible; thread-safe.

        Raises:
            AnnotationError: as `entry.read`.
            FileError: it has raised something else.
        """

        def read() -> Annotation:
            with reading(entry.file, "the annotation of an image"):
                return entry.read()

        if entry.cache_key is None:
            return read()
        parse = partial(unpack, entry.file)
        return self._get(entry.file, lambda: pack(read()), parse, entry.cache_key)

    def save(self) -> None:
        """Write what this scan read, and drop files that it did not use."""
        if self._current == self._previous:
            return
        write_cache(self._file, json.dumps({"code": code_versions(), "files": self._current}))

    def _path(self, file: Path) -> str:
        """The absolute path; `Path.absolute` asks for the folder each time."""
        return str(file) if file.is_absolute() else f"{self._folder}{os.sep}{file}"

    def _get(
        self, file: Path, read: Callable[[], list], parse: Callable[[list], _T], key: str = ""
    ) -> _T:
        path = self._path(file)
        stamp = self._stamps.pop(path, None) or stamp_of(path)
        if stamp is None:
            return parse(read())  # of a missing file; mostly an error that says so
        is_settled = max(stamp[1:]) < self._newest_cacheable
        stamp += [key] if key else []
        kept, result = self._previous.get(path, []), None
        if isinstance(kept, list) and len(kept) == 2 and kept[0] == stamp:
            with suppress(Exception):  # a damaged cache is rebuilt
                result = parse(kept[1])
        if result is None:
            kept = [stamp, read()]
            result = parse(kept[1])
        if is_settled:
            self._current[path] = kept
        return result

    def _load(self) -> dict[str, list]:
        try:
            content = read_json(self._file)
            with reading(self._file, "a cache of scans"):
                return dict(content["files"]) if content["code"] == code_versions() else {}
        except FileError:
            return {}


def cached_content(file: Path, read: Callable[[], Any]) -> Any:
    """Return `read()`, from the cache if the file has not changed since.

    Args:
        file: a file about many images.
        read: makes values of JSON of its content.
    """
    stamp, newest = stamp_of(file), newest_cacheable()
    cache = cache_folder() / f"{name_of(file.absolute())}.content.json"
    with suppress(FileError):
        return read_kept(cache, stamp)
    content = read()
    if stamp is not None and max(stamp[1:]) < newest:
        write_kept(cache, stamp, content)
    return content
