"""Keeps decoded images, so that a file is decoded once and not once per use: in memory or on disk.

An image is kept in the size of its file: augmentation zooms into it by chance, and from a smaller
one it would make other pixels.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import psutil

from utils.errors import UserError
from utils.image import ImageError, read_image
from utils.records import Record

# Uint8 `[H, W, 3]`, RGB, of a record.
Reader = Callable[[Record], np.ndarray]

# Of what is free, a cache takes at most this part: the training itself needs the rest.
MOST = 0.8

# What a container's memory is limited to, on Linux.
_GROUP = Path("/sys/fs/cgroup")

_STAMP_BYTES = 16
_DAY = 24 * 60 * 60


def read_record(record: Record) -> np.ndarray:
    """Read the image of a record, uint8 `[H, W, 3]`, RGB.

    Raises:
        ImageError: it can't be read, or has another size than the record says.
    """
    image = read_image(record.image)
    height, width = image.shape[:2]
    if (width, height) != tuple(record.size):
        raise ImageError(
            f"{record.image}: the image is {width}x{height} now, but its boxes were checked at "
            f"{record.size[0]}x{record.size[1]}: was it replaced? Start again."
        )
    return image


class MemoryCache:
    """Reads each image once and keeps it; threads share what it keeps, a pickled copy is empty."""

    def __init__(self) -> None:
        self._images: dict[Path, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        return {"_images": {}}

    def __call__(self, record: Record) -> np.ndarray:
        """As `read_record`; the array can't be written to."""
        image = self._images.get(record.image)
        if image is None:
            image = read_record(record)
            image.flags.writeable = False
            self._images[record.image] = image
        return image

    def claim(self, records: Sequence[Record], processes: int) -> str:
        """Tell what keeping all these images takes, and of how much.

        Args:
            records: whose images.
            processes: how many keep them, each for itself.

        Raises:
            UserError: it is more than there is.
        """
        needed = processes * sum(_pixel_bytes(record) for record in _distinct(records))
        what = "free memory"
        if processes > 1:
            what += f" in {processes} processes (--cache disk is shared)"
        return _claimed("ram", records, needed, available_memory(), what)


class DiskCache:
    """Decodes each image once and keeps its pixels in a file of their own.

    The file ends with the size and the time of change of the image file; once those are others, the
    image is decoded again. A file is written whole or not at all, by any number of threads and
    programs.

    Attributes:
        folder: where the files are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, record: Record) -> np.ndarray:
        """As `read_record`."""
        file, stamp = self._file(record), _stamp(record.image)
        image = _kept(file, record, stamp)
        if image is None:
            image = read_record(record)
            _keep(file, image, stamp)
        return image

    def claim(self, records: Sequence[Record]) -> str:
        """Make the folder, and tell what keeping all these images takes, and of how much.

        Raises:
            UserError: it is more than there is, or the folder can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._clear_remains()
            missing = [record for record in _distinct(records) if not self._has(record)]
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise UserError(f"--cache disk: {self.folder} cannot be written: {error}") from error
        needed = sum(_pixel_bytes(record) + _STAMP_BYTES for record in missing)
        return _claimed("disk", missing, needed, free, f"free space in {self.folder}")

    def _file(self, record: Record) -> Path:
        path = os.fsencode(record.image.absolute())
        return self.folder / f"{hashlib.sha256(path).hexdigest()[:32]}.rgb"

    def _has(self, record: Record) -> bool:
        file = self._file(record)
        return file.is_file() and file.stat().st_size == _pixel_bytes(record) + _STAMP_BYTES

    def _clear_remains(self) -> None:
        """Remove what programs that were killed have not finished."""
        for passing in self.folder.glob(".*"):
            if time.time() - passing.stat().st_mtime > _DAY:
                passing.unlink(missing_ok=True)


def available_memory() -> int:
    """Bytes that this program can still take without anything being swapped out.

    In a container that is what its own limit leaves, where it has one.
    """
    free = psutil.virtual_memory().available
    try:
        limit, used = (int(_group_file(name)) for name in ("memory.max", "memory.current"))
        lines = _group_file("memory.stat").splitlines()
        files = int(dict(line.split() for line in lines)["inactive_file"])
    except (OSError, ValueError, KeyError):  # no such group, or no limit: "max"
        return free
    return min(free, limit - used + files)


def _group_file(name: str) -> str:
    return (_GROUP / name).read_text(encoding="ascii")


def _pixel_bytes(record: Record) -> int:
    return 3 * record.size[0] * record.size[1]


def _distinct(records: Sequence[Record]) -> list[Record]:
    return list({record.image: record for record in records}.values())


def _claimed(cache: str, records: Sequence[Record], needed: int, free: int, what: str) -> str:
    count = f"{len(_distinct(records))} decoded images"
    claim = f"--cache {cache}: {count} take {_in_words(needed)} of {_in_words(free)} {what}"
    if needed > MOST * free:
        raise UserError(f"{claim}; {MOST:.0%} at most, the rest is for the training itself")
    return claim


def _in_words(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"


def _stamp(image: Path) -> bytes:
    """Size and time of change of an image file; of one that is gone, nothing."""
    try:
        status = image.stat()
    except OSError:  # reading it will say why
        return b""
    return status.st_size.to_bytes(8) + status.st_mtime_ns.to_bytes(8, signed=True)


def _kept(file: Path, record: Record, stamp: bytes) -> np.ndarray | None:
    try:
        content = np.fromfile(file, np.uint8)
    except OSError:
        return None
    pixels, written = content[:-_STAMP_BYTES], content[-_STAMP_BYTES:]
    if len(pixels) != _pixel_bytes(record) or written.tobytes() != stamp:
        return None
    width, height = record.size
    return pixels.reshape(height, width, 3)


def _keep(file: Path, image: np.ndarray, stamp: bytes) -> None:
    # A name of its own: others may be keeping the same image at the same time.
    passing = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with passing.open("wb") as output:
            output.write(np.ascontiguousarray(image))
            output.write(stamp)
        passing.replace(file)
    except OSError:  # a full disk costs the time of decoding, which is no reason to stop
        passing.unlink(missing_ok=True)
