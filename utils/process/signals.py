"""Ctrl-C and SIGTERM end a program in time and with a message, even while it computes in C++."""

import os
import signal
import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

# Seconds after a signal that has not ended the program; then it is ended from another thread.
GRACE = 3.0

# State of the process, as signals are.
_received: Counter[int] = Counter()
_excused: Counter[int] = Counter()
_explanations: list[Callable[[], str]] = []
_is_explained = threading.Event()


class Terminated(KeyboardInterrupt):
    """SIGTERM: like Ctrl-C, but with another exit status."""


@contextmanager
def answered_signals() -> Iterator[None]:
    """Within the block, SIGTERM raises `Terminated`, as Ctrl-C raises KeyboardInterrupt.

    Python runs signal handlers between two Python instructions, and a network that is being
    compiled holds them up for half a minute. So another thread waits for the signals too, and ends
    the program after `GRACE` seconds, with the message of `explained_interruption`.
    """
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        yield
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    threading.Thread(target=_watch, args=(reader, _screen()), daemon=True).start()
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    before = signal.getsignal(signal.SIGTERM)
    if before == signal.SIG_DFL:  # otherwise, whoever began the program has decided
        signal.signal(signal.SIGTERM, _raise_terminated)
    try:
        yield
    finally:
        if before is not None:  # None: it was not set by Python
            signal.signal(signal.SIGTERM, before)
        signal.set_wakeup_fd(wakeup)
        writer.close()


@contextmanager
def explained_interruption(explain: Callable[[], str]) -> Iterator[None]:
    """Within the block, an interruption says what `explain` returns at that moment."""
    _explanations.append(explain)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(*interrupt.args or [explain()]) from None
    finally:
        _explanations.remove(explain)


def excuse(number: int) -> None:
    """Called by a handler for a signal that the program answers otherwise than by ending."""
    _excused[number] += 1


def end_interrupted(interrupt: KeyboardInterrupt) -> NoReturn:
    """Print why the program ends, and exit with the status of the signal: 130 or 143."""
    _is_explained.set()
    print(str(interrupt) or "interrupted", file=sys.stderr)
    number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
    sys.exit(128 + number)


def _raise_terminated(_number: int, _frame: FrameType | None) -> None:
    raise Terminated


def _watch(reader: socket.socket, screen: int) -> None:
    """Receive the number of each signal, as soon as it is delivered, until the other end closes."""
    while number := reader.recv(1):
        if number[0] in (signal.SIGINT, signal.SIGTERM):
            _received[number[0]] += 1
            timer = threading.Timer(GRACE, _end_by_force, (number[0], screen))
            timer.daemon = True
            timer.start()


def _end_by_force(number: int, screen: int) -> None:
    if _received[number] <= _excused[number]:
        return
    if not _is_explained.is_set():
        with suppress(Exception):  # nothing may keep the program from ending
            message = _explanations[-1]() if _explanations else "interrupted"
            os.write(screen, f"{message}\n".encode())
    os._exit(128 + number)


def _screen() -> int:
    """A copy of standard error, which is replaced while TensorFlow is imported."""
    try:
        return os.dup(2)
    except OSError:  # it is closed
        return os.open(os.devnull, os.O_WRONLY)
