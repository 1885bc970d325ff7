"""The folder that results go to: one that cannot be written is told, and early."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from utils.errors import UserError


def make_output(folder: Path) -> Path:
    """Make a folder for results, and try whether files can be made in it.

    Raises:
        UserError: they cannot.
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
