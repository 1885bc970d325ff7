"""Atomic writes, output folders, and the project's own data files."""

import errno
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from utils.errors import UserError

MODEL_DATA = Path(__file__).parents[2] / "model_data"

_TEMPORARY = re.compile(r"\.yolov4-[0-9a-f]{16}\.tmp.*", re.DOTALL)
_LONGEST_SUFFIX = 100  # bytes
_DAY = 24 * 60 * 60


@contextmanager
def atomic_path(path: str | Path, durable: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; it replaces `path` at the end of the block.

    Folders on the way are made. After an exception the old file stays and the new one is removed.

    Args:
        path: the file.
        durable: wait until the disk has the file, so that a power cut leaves the old or the new
            one. Not worth the time for many files that are easily made again.

    Raises:
        OSError: the file cannot be written; `filename` is the path, and not the temporary one.
    """
    path = Path(path)
    new_folders = [folder for folder in path.parents if not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = make_temporary(path)
    try:
        yield temporary
        if durable:
            _flush_file(temporary)
        temporary.replace(path)
        if durable:
            for changed in (path, *new_folders):
                _flush_folder(changed.parent)
    except OSError as error:
        raise error_about(path, error, temporary) from error
    finally:
        temporary.unlink(missing_ok=True)


def make_temporary(path: Path) -> Path:
    """Make an empty hidden file beside `path`, with a random name and the last suffixes of `path`.

    Nobody can foresee the name, and a file or symbolic link that has it is not opened.

    Raises:
        OSError: the file cannot be made; `filename` is the path, and not the hidden one.
    """
    temporary = path.with_name(_temporary_name(_suffixes(path)))
    try:
        temporary.touch(exist_ok=False)
    except OSError as error:
        raise error_about(path, error, temporary) from error
    return temporary


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """Within the block, a new hidden folder in `parent`, with a random name.

    Raises:
        OSError: the folder cannot be made, or the block could not write a file in it; `filename`
            is `parent`, and not the hidden folder.
    """
    folder = parent / _temporary_name()
    try:
        folder.mkdir()
        yield folder
    except OSError as error:
        if folder.name not in Path(str(error.filename)).parts:
            raise
        raise error_about(parent, error, Path(error.filename)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path, shared: bool = False) -> None:
    """Remove temporary files and folders of killed programs from a folder, not from subfolders.

    Args:
        folder: where they are.
        shared: whether running programs may have temporary files there too. Then only what has not
            changed for a day is removed.
    """
    newest = time.time() - (_DAY if shared else 0)
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            with suppress(OSError):  # another program has removed it, or it belongs to another user
                if path.lstat().st_mtime <= newest:
                    _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _temporary_name(suffixes: str = "") -> str:
    return f".yolov4-{secrets.token_hex(8)}.tmp{suffixes}"


def _suffixes(path: Path) -> str:
    """The last two suffixes, which name the format; fewer if the name would become too long."""
    choices = ("".join(path.suffixes[-2:]), path.suffix)
    return next((text for text in choices if len(os.fsencode(text)) <= _LONGEST_SUFFIX), "")


def error_about(path: Path, error: OSError, temporary: Path) -> OSError:
    """The same error with the path, if it has no other, or that of the temporary file."""
    if error.filename not in (None, str(temporary)):
        return error
    # Of libraries some raise an OSError without a number.
    return OSError(error.errno or errno.EIO, error.strerror or str(error), str(path))


def write_atomically(path: str | Path, data: bytes | str, durable: bool = True) -> None:
    r"""Write a file as `atomic_path` does.

    Text is written as UTF-8. A byte of a file name that is not UTF-8 becomes an escape sequence,
    such as "\udcff" for 0xFF: in JSON it is read as the same name again.
    """
    with atomic_path(path, durable) as temporary:
        if isinstance(data, str):
            data = data.encode("utf-8", "backslashreplace")
        temporary.write_bytes(data)


def _flush_file(path: Path) -> None:
    """Wait until the disk has a file's bytes: before its new name, which would lead to nothing."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Wait until the disk has the names in a folder, where the system can do that."""
    with suppress(OSError):  # Windows does not open folders, some file systems do not flush them
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_output(folder: Path) -> Path:
    """Make a folder for results, and check that it is writable.

    Raises:
        UserError: it cannot be made or written to.
    """
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder):
            pass
    return folder


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Within the block, an error of the file system becomes a `UserError` about `--output`."""
    try:
        yield
    except BrokenPipeError:  # of the screen: nobody reads it any more
        raise
    except OSError as error:
        raise UserError(f"--output {folder}: cannot write there: {error}") from error
