"""The standard streams of a command: open, written line by line, and able to hold any letter."""

import io
import os
import sys


def prepare_streams() -> None:
    r"""Make the standard streams fit for any output.

    A log file grows line by line. A letter that the encoding of a stream lacks is written as an
    escape sequence: "\u044f" for "я" in ASCII, "\udcff" for the byte 0xFF of a file name that is
    not UTF-8. A stream that is closed (`>&-`) discards what is written. An output that replaces the
    usual one, as in a notebook, stays as it is.
    """
    for descriptor in (0, 1, 2):
        _require_open(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def discard_unwritable() -> None:
    """Discard what cannot be written to a standard stream: its reader has gone, or a disk is full.

    Otherwise Python would try again when it exits, and print a traceback.
    """
    for descriptor, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, descriptor)
            os.close(null)


def _require_open(descriptor: int) -> None:
    """Open the null device with a descriptor that is closed.

    Otherwise the next file would be opened with it, and everything printed by a library or a child
    process would be written into that file.
    """
    try:
        os.fstat(descriptor)
    except OSError:
        null = os.open(os.devnull, os.O_RDWR)
        if null != descriptor:
            os.dup2(null, descriptor)
            os.close(null)
        os.set_inheritable(descriptor, True)  # as a child process expects of its streams
