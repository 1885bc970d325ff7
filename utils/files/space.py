"""Notices a full disk where a library that writes a file does not."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.files.writing import error_about

_PROBE = bytes(2**16)


@contextmanager
def written_by_library(path: Path, name: Path | None = None) -> Iterator[None]:
    """Within the block a library writes a file or a folder.

    OpenCV leaves half a video on a full disk and says nothing; others raise errors of their own.

    Args:
        path: the file or folder.
        name: what the error names instead of `path`, if that is a temporary one.

    Raises:
        OSError: no more can be written there.
    """
    try:
        yield
    except Exception:
        _require_space(path, name or path)
        raise
    _require_space(path, name or path)


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
