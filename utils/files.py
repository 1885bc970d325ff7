"""Files that are written whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A hidden name beside `path` to write under; the file takes its place at the block's end.

    Folders on the way are made. After an exception the old file stays and the new one is removed.
    The hidden name is always the same and keeps the suffixes, so what a killed program left behind
    is overwritten by the next write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.name}")
    try:
        yield passing
        passing.replace(path)
    finally:
        passing.unlink(missing_ok=True)


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write a file under a passing name, then put it in its place; text is written as UTF-8."""
    with atomic_path(path) as passing:
        passing.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
