"""Folders: the user's home, which may be missing, and the files below any folder."""

import functools
import os
import sys
from collections.abc import Iterable, Iterator
from operator import attrgetter
from pathlib import Path


def home_folder() -> Path | None:
    """The user's home; None for a user number without a name and without `HOME` (`docker -u`)."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def in_order(paths: Iterable[Path]) -> list[Path]:
    """Sort paths folder by folder; ten times as fast as paths compare themselves."""
    return sorted(paths, key=attrgetter("parts"))


def folder_of(path: str | Path) -> str:
    """The folder of a file as text; `Path.parent` takes several times as long."""
    return os.path.dirname(path)  # noqa: PTH120


def files_below(folder: Path, suffix: str = "", without: Iterable[Path] = ()) -> list[Path]:
    """All files below a folder, sorted; follows links, and skips hidden files and folders.

    A line on standard error names a folder that cannot be read.

    Args:
        folder: the folder.
        suffix: return only files with this suffix, in lower case and with its dot.
        without: folders that are skipped.
    """
    found = [
        parent / name
        for parent, names in _walk(folder, without)
        for name in names
        if name.lower().endswith(suffix)
    ]
    return in_order(found)


def paths_below(folder: Path) -> Iterator[str]:
    """The paths of the same files as text, not sorted; this is several times as fast."""
    for parent, names in _walk(folder):
        start = str(parent / "_")[:-1]
        yield from (f"{start}{name}" for name in names)


def _walk(folder: Path, without: Iterable[Path] = ()) -> Iterator[tuple[Path, list[str]]]:
    """Each folder, and the names of the files in it."""
    visited = {os.path.realpath(skipped) for skipped in without}
    for parent, folders, files in os.walk(folder, onerror=_report, followlinks=True):
        real = os.path.realpath(parent)
        if real in visited:  # a link may point to a folder that contains it
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(parent), [name for name in files if not name.startswith(".")]


def _report(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):  # then it has no files
        _report_once(error.filename, error.strerror)


@functools.cache
def _report_once(folder: str, reason: str) -> None:
    print(f"passed over: {folder}: {reason}", file=sys.stderr)
