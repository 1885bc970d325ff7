"""Notices a full disk where a library that writes a file does not."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.files.writing import error_about

_PROBE = bytes(2**16)
_FULL = {
    os.strerror(number): number
    for number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG)
}


@contextmanager
def written_by_library(path: Path, name: Path | None = None) -> Iterator[None]:
    """Within the block a library writes a file or a folder.

    OpenCV leaves half a video on a full disk and says nothing; others raise their own errors.

    Args:
        path: the file or folder.
        name: what the error names instead of `path`, if that is a temporary one.

    Raises:
        OSError: no more can be written there.
    """
    shown = name or path
    try:
        yield
    except Exception as error:
        if full := full_disk(error):
            is_other = full.filename is not None and str(path) not in full.filename
            raise (full if is_other else OSError(full.errno, full.strerror, str(shown))) from error
        _require_space(path, shown)
        raise
    _require_space(path, shown)


def full_disk(error: Exception) -> OSError | None:
    """The full disk that a library in C++ tells of in its own error; None if it tells of none."""
    text = str(error)
    for reason, number in _FULL.items():
        if reason in text:
            path = re.search(rf"([^\s;]*[/\\.][^\s;]*)[;:] {reason}", text)
            return OSError(number, reason, path and path[1])
    return None


def _require_space(path: Path, name: Path) -> None:
    """Append to a file, or to the largest file of a folder, and take it back."""
    files = [file for file in (path, *path.rglob("*")) if file.is_file()]
    if not files:
        return
    largest = max(files, key=lambda file: file.stat().st_size)
    try:
        with largest.open("ab", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            try:
                for _ in range(2):  # the first may write a part without an error
                    file.write(_PROBE)
            finally:
                file.truncate(end)
    except OSError as error:
        raise error_about(name, error, largest) from error
