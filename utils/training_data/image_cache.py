"""Caches of decoded training images, in memory or on disk, so that each file is decoded once.

Images are cached at full size: augmentation zooms into them at random, and would make other pixels
from smaller ones.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from utils.errors import UserError
from utils.files.writing import make_temporary, remove_leftovers
from utils.image import ImageError, read_image
from utils.records import Record

# Reads the image of a record, uint8 `[H, W, 3]`, RGB.
Reader = Callable[[Record], np.ndarray]

# The largest fraction of the free space that a cache may take: training needs the rest.
MAX_FRACTION = 0.8

# The memory limits of a container, on Linux.
_CGROUP = Path("/sys/fs/cgroup")

_STAMP_BYTES = 16


def read_record(record: Record) -> np.ndarray:
    """Read the image of a record, uint8 `[H, W, 3]`, RGB.

    Raises:
        ImageError: the file cannot be read, or its size is not that of the record.
    """
    image = read_image(record.image)
    height, width = image.shape[:2]
    if (width, height) != tuple(record.size):
        raise ImageError(
            record.image,
            f"the image is {width}x{height} now, but was {record.size[0]}x{record.size[1]} when "
            "the data was scanned; start again",
        )
    return image


class MemoryCache:
    """Caches images in memory. Threads share it; a pickled copy is empty."""

    def __init__(self) -> None:
        self._images: dict[Path, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_images": {}}

    def __call__(self, record: Record) -> np.ndarray:
        """Like `read_record`; the array is read-only."""
        image = self._images.get(record.image)
        if image is None:
            image = read_record(record)
            image.flags.writeable = False
            self._images[record.image] = image
        return image

    def claim(self, records: Sequence[Record], processes: int) -> str:
        """Say how much memory these images take, and how much is free.

        Args:
            records: the images.
            processes: how many processes cache them, each separately.

        Raises:
            UserError: they take too much.
        """
        needed = processes * sum(_pixel_bytes(record) for record in _distinct(records))
        what = "free memory"
        if processes > 1:
            what += f" in {processes} processes (--cache disk is shared)"
        return _claim_text("ram", records, needed, available_memory(), what)


class DiskCache:
    """Caches the pixels of each image in a separate file.

    The file ends with size and modification time of the image file; if these have changed, the
    image is decoded again. Files are written atomically, so any number of threads and programs can
    share the folder.

    Attributes:
        folder: holds the files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, record: Record) -> np.ndarray:
        """Like `read_record`."""
        file, stamp = self._file(record), _stamp(record.image)
        image = _load(file, record, stamp)
        if image is None:
            image = read_record(record)
            _store(file, image, stamp)
        return image

    def claim(self, records: Sequence[Record]) -> str:
        """Create the folder; say how much space these images take, and how much is free.

        Raises:
            UserError: they take too much, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.folder, shared=True)
            missing = [record for record in _distinct(records) if not self._has(record)]
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise UserError(f"--cache disk: {self.folder} cannot be written: {error}") from error
        needed = sum(_pixel_bytes(record) + _STAMP_BYTES for record in missing)
        return _claim_text("disk", missing, needed, free, f"free space in {self.folder}")

    def _file(self, record: Record) -> Path:
        path = os.fsencode(record.image.absolute())
        return self.folder / f"{hashlib.sha256(path).hexdigest()[:32]}.rgb"

    def _has(self, record: Record) -> bool:
        file = self._file(record)
        return file.is_file() and file.stat().st_size == _pixel_bytes(record) + _STAMP_BYTES


def available_memory() -> int:
    """Bytes that this program can still allocate without swapping.

    In a container with a memory limit, at most what the limit leaves.
    """
    free = psutil.virtual_memory().available
    try:
        limit, used = (int(_cgroup_file(name)) for name in ("memory.max", "memory.current"))
        lines = _cgroup_file("memory.stat").splitlines()
        files = int(dict(line.split() for line in lines)["inactive_file"])
    except (OSError, ValueError, KeyError):  # no control group, or no limit ("max")
        return free
    return min(free, limit - used + files)


def _cgroup_file(name: str) -> str:
    return (_CGROUP / name).read_text(encoding="ascii")


def _pixel_bytes(record: Record) -> int:
    return 3 * record.size[0] * record.size[1]


def _distinct(records: Sequence[Record]) -> list[Record]:
    return list({record.image: record for record in records}.values())


def _claim_text(cache: str, records: Sequence[Record], needed: int, free: int, what: str) -> str:
    count = f"{len(_distinct(records))} decoded images"
    claim = f"--cache {cache}: {count} take {_size_text(needed)} of {_size_text(free)} {what}"
    if needed > MAX_FRACTION * free:
        raise UserError(
            f"{claim}; it may take at most {MAX_FRACTION:.0%}, since training needs the rest"
        )
    return claim


def _size_text(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _stamp(image: Path) -> bytes:
    """Size and modification time of an image file; empty if it is missing."""
    try:
        status = image.stat()
    except OSError:  # reading it will report why
        return b""
    return status.st_size.to_bytes(8) + status.st_mtime_ns.to_bytes(8, signed=True)


def _load(file: Path, record: Record, stamp: bytes) -> np.ndarray | None:
    try:
        content = np.fromfile(file, np.uint8)
    except OSError:
        return None
    pixels, written = content[:-_STAMP_BYTES], content[-_STAMP_BYTES:]
    if len(pixels) != _pixel_bytes(record) or written.tobytes() != stamp:
        return None
    width, height = record.size
    return pixels.reshape(height, width, 3)


def _store(file: Path, image: np.ndarray, stamp: bytes) -> None:
    # Not `atomic_path`: a cache may lose its files in a power cut, and need not wait for the disk.
    try:
        temporary = make_temporary(file)
    except OSError:  # on a full disk the image is decoded again, which is no reason to stop
        return
    try:
        with temporary.open("wb") as output:
            output.write(np.ascontiguousarray(image).data)
            output.write(stamp)
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)
