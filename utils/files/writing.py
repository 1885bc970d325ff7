"""Atomic writes, output folders, and the project's own data files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import UserError

MODEL_DATA = Path(__file__).parents[2] / "model_data"


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A hidden temporary path beside `path`; it replaces `path` at the end of the block.

    Folders on the way are made. After an exception the old file stays and the new one is removed.
    The hidden name is always the same and keeps the suffixes, so what a killed program left behind
    is overwritten by the next write.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Write a file under a temporary name, then rename it; text is written as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


def make_output(folder: Path) -> Path:
    """Make a folder for results, and check that it is writable.

    Raises:
        UserError: it cannot be made or written to.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    return folder


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Within the block, an error of the file system becomes a `UserError` about `--output`."""
    try:
        yield
    except OSError as error:
        raise UserError(f"--output {folder}: cannot write there: {error}") from error
