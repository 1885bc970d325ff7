"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: str | Path, data: bytes | str) -> None:
    """Write a file under a passing name beside it, then put it in its place.

    Folders on the way are made. Text is written as UTF-8. An interruption leaves the old file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    passing = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        passing.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)
        passing.replace(path)
    finally:
        passing.unlink(missing_ok=True)
