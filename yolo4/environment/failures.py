"""Failures of the machine rather than of the program, each described in one line."""

import errno

from utils.errors import missing_system_library
from utils.files.space import full_disk

_LESS_MEMORY = "a smaller --batch-size or --input-size and fewer --workers need less"
# What the dynamic linker says if an address space is limited (`ulimit -v`).
_UNMAPPED = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")
_OPENCV_NO_MEMORY = -4
# Errors of the standard streams, which have no names.
_OF_OUTPUT = (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG, errno.EIO, errno.EBADF)


def describe_failure(error: BaseException) -> str | None:
    """Describe a failure that no change of the program would prevent: a full disk, little memory.

    Returns:
        One line that names the file and the reason; None for any other error, which needs its
        traceback.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return _describe_file(error)
    if isinstance(error, ImportError):
        return missing_system_library(error) or _describe_import(error)
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object!r}: a name that is not UTF-8, which a library needs; rename it"
    if isinstance(error, Exception) and (full := full_disk(error)):
        return _describe_file(full)
    return _describe_memory(error)


def _describe_file(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    # Errors about files name them, and those about the standard streams name nothing.
    return f"the output cannot be written: {reason}" if error.errno in _OF_OUTPUT else reason


def _describe_import(error: ImportError) -> str | None:
    for line in str(error).splitlines():
        if any(words in line for words in _UNMAPPED):
            return f"too little memory to load a library ({line.strip()}); see ulimit -v"
    return None


def _describe_memory(error: BaseException) -> str | None:
    ran_out = (
        isinstance(error, MemoryError)
        # Of TensorFlow, which is not imported for its name alone.
        or type(error).__name__ == "ResourceExhaustedError"
        or getattr(error, "code", None) == _OPENCV_NO_MEMORY
        or str(error) == "can't start new thread"
    )
    if not ran_out:
        return None
    reason = _first_line(error)
    return f"out of memory{f' ({reason})' if reason else ''}; {_LESS_MEMORY}"


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).partition("\n")[0].split())
