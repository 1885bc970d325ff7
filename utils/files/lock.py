"""A folder that several processes could write to has one owner at a time."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from utils.errors import UserError
from utils.files.writing import make_output, remove_leftovers, write_atomically

_LOCK_FILE = ".lock"
_OWNER_FILE = ".owner"
# What file systems without locks answer.
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


class FolderInUseError(UserError):
    """Another process owns the folder."""


@contextmanager
def locked(folder: Path, wait: float = 0.0, otherwise: str = "") -> Iterator[None]:
    """Within the block, this process owns a folder; what killed programs left there is removed.

    The lock is the operating system's, and ends with the process that holds it, however that ends.
    The folder is made if it is missing, and removed again if it stays empty.

    Args:
        folder: everything in it but its subfolders is owned.
        wait: seconds to wait until another process no longer owns it.
        otherwise: what the user can do if the folder cannot be written.

    Raises:
        FolderInUseError: another process owns the folder; names that process.
        UserError: the folder cannot be written.
    """
    is_new = not folder.exists()
    lock, owner = FileLock(folder / _LOCK_FILE), folder / _OWNER_FILE
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _acquire(lock, owner, wait)
            write_atomically(owner, _this_process(), durable=False)
            remove_leftovers(folder)
        except OSError as error:
            reason = f"{folder}: cannot be written: {error}"
            raise UserError(f"{reason}; {otherwise}" if otherwise else reason) from error
        yield
    finally:
        _release(lock, owner)
        if is_new:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


@contextmanager
def output_folder(folder: Path) -> Iterator[Path]:
    """Within the block, this process owns a folder for results, as `locked` describes.

    Args:
        folder: made if it is missing.

    Raises:
        FolderInUseError: another process owns the folder.
        UserError: the folder cannot be made or written to.
    """
    make_output(folder)
    with locked(folder):
        yield folder


def is_locked(folder: Path) -> bool:
    """Whether another process owns a folder now; False if its file system has no locks."""
    lock = FileLock(folder / _LOCK_FILE)
    if not Path(lock.lock_file).exists():
        return False
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _acquire(lock: FileLock, owner: Path, wait: float) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        in_use = f"{owner.parent}: in use by {_describe(owner)}"
        if not wait:
            raise FolderInUseError(
                f"{in_use}; wait until it ends, or name another folder"
            ) from None
        print(f"{in_use}; waiting until it ends")
        try:
            lock.acquire(timeout=wait)
        except Timeout:
            raise FolderInUseError(f"{in_use}; gave up after {wait:g} s") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        print(f"{owner.parent}: its file system has no locks; start no second process there")


def _release(lock: FileLock, owner: Path) -> None:
    if lock.is_locked:
        # While it is held: afterwards, they may be those of another process. From version 4.3 on,
        # filelock notices that the file it has locked was removed, and tries again.
        with suppress(OSError):
            owner.unlink(missing_ok=True)
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _this_process() -> str:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {socket.gethostname()} since {since}"


def _describe(owner: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return owner.read_text(encoding="utf-8")
    return "another process"
