"""Child processes that end with this process, however it ends."""

import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import Any

from utils.errors import UserError

# A forked process that has TensorFlow's threads can deadlock.
SPAWN = multiprocessing.get_context("spawn")

# Of a killed child, multiprocessing's own process removes the semaphores, and warns that it has to.
_NO_WARNING = "ignore:resource_tracker"

_STOPPING = {signal.SIGINT, signal.SIGTERM}


class ChildKilledError(Exception):
    """A child process ended without a result."""


def call_in_child(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process, which ends if this one is interrupted or ends.

    A separate process frees its memory at its end, and this one survives its crash. The program
    must guard its own start with `if __name__ == "__main__"`.

    Args:
        function: of a module; it, its arguments, its result and its errors can be pickled.
        arguments: passed on.

    Returns:
        What the function returns.

    Raises:
        ChildKilledError: the process ended without a result.
        Exception: what the function raises.
    """
    receiver, sender = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_call, args=(sender, function, arguments))
    if _NO_WARNING not in sys.warnoptions:  # which children receive
        sys.warnoptions.append(_NO_WARNING)
    with deaf_children():
        process.start()
    sender.close()  # so that this side notices when the other ends
    outcome = None
    try:
        with suppress(EOFError):
            outcome = receiver.recv()
        process.join()
    finally:  # does nothing to a process that has ended
        process.kill()
        process.join()
    if outcome is None:
        raise ChildKilledError(f"the process ended with status {process.exitcode}")
    result, error = outcome
    if error is not None:
        raise error
    return result


def _call(sender: Connection, function: Callable[..., Any], arguments: tuple) -> None:
    end_with_parent()
    result, error = None, None
    try:
        result = function(*arguments)
    except Exception as raised:
        error = raised
        if not isinstance(error, UserError):
            error.add_note(f"\nin the child process:\n{traceback.format_exc()}")
    sender.send((result, error))


@contextmanager
def deaf_children() -> Iterator[None]:
    """Within the block, child processes start deaf to Ctrl-C and SIGTERM; this one stays as it is.

    These signals often reach all processes, as from a terminal, but the parent decides when to
    stop.
    """
    if sys.platform == "win32":  # there, `end_with_parent` makes a child deaf
        yield
        return
    # Children inherit what this thread blocks; other threads still receive the signals.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """End this child process, which multiprocessing began, as soon as its parent ends.

    To be called first in the child. It also makes it deaf to Ctrl-C and SIGTERM.
    """
    for number in _STOPPING:
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None, "only a child process has a parent"
    _when_over(parent.join)


@contextmanager
def lifeline() -> Iterator[int]:
    """A file descriptor for the standard input of a subprocess that calls `end_with_lifeline`.

    It ends with the block, and with this process, however that ends.
    """
    reader, writer = os.pipe()
    try:
        yield reader
    finally:
        os.close(reader)
        os.close(writer)


def end_with_lifeline() -> None:
    """End this subprocess as soon as its standard input ends."""
    _when_over(lambda: os.read(sys.stdin.fileno(), 1))


def _when_over(wait: Callable[[], Any]) -> None:
    """End this process, from another thread, when `wait` returns."""

    def watch() -> None:
        with suppress(OSError):
            wait()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()
