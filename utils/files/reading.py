"""The boundary where files are read that other people or programs have written.

Such a file may be missing, huge, damaged, or made to do harm. Whatever a parser raises for it
becomes one error that names the file, what was found and what was expected.
"""

import csv
import io
import json
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from utils.errors import FileError, UserError
from utils.files.encodings import decode_text
from utils.printable import one_line

# A file about one image, one run or one list of names.
MOST_BYTES = 64 << 20
# A file about a whole data set: COCO's largest has 450 MB, Objects365's 6 GB.
MOST_BYTES_OF_DATA_SET = 8 << 30

# How a pointer of Git LFS begins, which stands for a file that a clone has not downloaded.
_LFS_START = b"version https://git-lfs.github.com/spec/"
LFS_POINTER = "Git LFS pointer: run git lfs pull"

# A pipe that nobody writes to would block.
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


@contextmanager
def reading(path: str | Path, expected: str) -> Iterator[None]:
    """Within the block, every error becomes a `FileError` about a file.

    It encloses a parser, and what picks the values out of its result, but no other work: an error
    of our own would look like a damaged file.

    Args:
        path: the file that is read.
        expected: what it should be, for the message.

    Raises:
        FileError: the block raised any exception but a `UserError`.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise FileError(path, f"{one_line(error)}; expected {expected}") from error


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a regular file for reading; a pipe or a device would block or never end.

    Raises:
        FileError: it is missing, cannot be read, or is not a regular file.
    """
    try:
        file = os.fdopen(os.open(path, _OPEN_FLAGS), "rb")
    except FileNotFoundError:
        raise FileError(path, "no such file") from None
    except IsADirectoryError:
        raise FileError(path, "is a folder; expected a file") from None
    except (OSError, ValueError) as error:
        raise FileError(path, f"cannot be read: {one_line(error)}") from error
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        kind = next((kind for is_kind, kind in _KINDS if is_kind(mode)), "not a regular file")
        raise FileError(path, f"is {kind}; expected a file")
    return file


def require_regular(path: str | Path) -> None:
    """Raise a FileError if `open_regular` does; for libraries that open the file themselves."""
    open_regular(path).close()


def read_bytes(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """Read the content of a regular file.

    Args:
        path: the file.
        most: number of bytes that it may have.

    Raises:
        FileError: it cannot be read, is not a regular file, is larger, or is a pointer of Git LFS.
    """
    with open_regular(path) as file, reading(path, "a file that can be read"):
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise FileError(path, f"has {size:,} bytes; expected at most {most:,}")
        data = file.read()
    if begins_as_pointer(data):
        raise FileError(path, LFS_POINTER)
    return data


def read_head(path: str | Path, most: int) -> bytes:
    """Read the first bytes of a regular file; none if it cannot be read."""
    with suppress(OSError, FileError), open_regular(path) as file:
        return file.read(most)
    return b""


def begins_as_pointer(data: bytes) -> bool:
    """Whether the content of a file is a pointer of Git LFS."""
    return data.startswith(_LFS_START)


def is_lfs_pointer(path: str | Path) -> bool:
    """Whether a file is a pointer of Git LFS; False if it cannot be read."""
    return begins_as_pointer(read_head(path, len(_LFS_START)))


def refuse_pointer(path: str | Path) -> None:
    """Raise a FileError if a file is a pointer of Git LFS; for libraries that open files."""
    if is_lfs_pointer(path):
        raise FileError(path, LFS_POINTER)


def read_text(path: str | Path, most: int = MOST_BYTES) -> str:
    """Read a text file in UTF-8, UTF-16, Windows-1252 (Latin-1) or GBK, declared or not.

    Raises:
        FileError: as `read_bytes`.
    """
    data = read_bytes(path, most)
    with reading(path, "text"):
        return decode_text(data)


def read_utf8(path: str | Path, most: int = MOST_BYTES) -> str:
    """Read a text file that must be UTF-8, with or without a byte order mark.

    Raises:
        FileError: as `read_bytes`, or it is not UTF-8.
    """
    data = read_bytes(path, most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(path, f"not UTF-8, from byte {error.start} on") from None


def read_json(
    path: str | Path,
    read: Callable[[str | Path, int], str] = read_utf8,
    most: int = MOST_BYTES_OF_DATA_SET,
    object_hook: Callable[[dict], Any] | None = None,
) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        read: `read_utf8`, or `read_text`, which guesses the encoding.
        most: number of bytes that it may have.
        object_hook: as for `parse_json`.

    Raises:
        FileError: as `read`, or as `parse_json`.
    """
    return parse_json(read(path, most), path, object_hook)


def parse_json(
    text: str | bytes, path: str | Path, object_hook: Callable[[dict], Any] | None = None
) -> Any:
    """Parse JSON, in which Python limits the depth and the digits of a whole number.

    Args:
        text: what to parse.
        path: the file that it is from, for error messages.
        object_hook: takes each object as soon as it is parsed, and returns what replaces it.

    Raises:
        FileError: it is not JSON, or exceeds a limit.
    """
    with reading(path, "JSON"):
        try:
            return json.loads(text, object_hook=object_hook)
        except json.JSONDecodeError as error:
            raise FileError(path, f"bad JSON, {error.msg}", f"line {error.lineno}") from None


def read_csv(path: str | Path, most: int = MOST_BYTES_OF_DATA_SET) -> list[list[str]]:
    """Read the rows of a table with commas between the cells.

    Raises:
        FileError: as `read_text`, or it is not such a table.
    """
    text = read_text(path, most)
    with reading(path, "a table with commas between the cells"):
        return list(csv.reader(io.StringIO(text, newline="")))


@contextmanager
def open_npz(path: str | Path, expected: str) -> Iterator[Any]:
    """Open an archive of NumPy arrays; the block is within `reading`.

    Raises:
        FileError: as `open_regular` and `reading`, or its arrays together are too large.
    """
    import numpy as np  # commands that only print their help read no arrays

    with open_regular(path) as file, reading(path, expected):
        size = sum(member.file_size for member in zipfile.ZipFile(file).infolist())
        file.seek(0)
        if size > MOST_BYTES_OF_DATA_SET:
            most = f"{MOST_BYTES_OF_DATA_SET:,}"
            raise FileError(path, f"unpacks to {size:,} bytes; expected at most {most}")
        with np.load(file) as arrays:
            yield arrays
