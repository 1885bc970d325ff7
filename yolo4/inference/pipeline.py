"""Runs the stages of a long job at the same time, in order and with bounded memory."""

import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

from utils.process.signals import Terminated, excuse

Item = TypeVar("Item")
Result = TypeVar("Result")


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Iterator[Result]:
    """`map` on threads that work ahead of the consumer of the results.

    Args:
        function: called on each item, on several threads at once if `workers` is above 1.
        items: taken one by one on the caller's thread, as soon as fewer than `ahead` are waiting.
        workers: number of threads.
        ahead: most items that are in work or finished while the consumer uses a result.

    Yields:
        The results in the order of the items. An exception of `function` is raised in place of its
        result; then, or when the iterator is closed, the items that have not been started are
        dropped.
    """
    pool = ThreadPoolExecutor(workers)
    submitted: deque[Future[Result]] = deque()
    try:
        for item in items:
            submitted.append(pool.submit(function, item))
            if len(submitted) > ahead:
                yield submitted.popleft().result()
        while submitted:
            yield submitted.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of `size` items; the last may be shorter."""
    batch: list[Item] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


class Stop(threading.Event):
    """Set when a job should end early.

    Attributes:
        status: the exit status by which a shell recognizes the signal that set it; 0 for none.
    """

    status = 0


@contextmanager
def finish_on_interrupt() -> Iterator[Stop]:
    """Within the block, the first Ctrl-C or SIGTERM sets an event, and the second one interrupts.

    After SIGTERM, the program has to end within `utils.process.signals.GRACE` seconds.
    """
    stop = Stop()

    def on_signal(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt
        stop.status = 128 + number
        stop.set()
        if number == signal.SIGINT:
            excuse(number)
        print("\nfinishing what has started; press Ctrl-C again to stop at once", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may set signal handlers
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Pace:
    """Counts images per second, without the first batch, in which the network is compiled."""

    def __init__(self) -> None:
        self.images = 0
        self._start = self._steady_start = time.perf_counter()
        self._first = 0
        self._lock = threading.Lock()

    def count(self, images: int) -> None:
        """Count a finished batch of this many images; several threads may call it."""
        with self._lock:
            if self.images == 0:
                self._first = images
                self._steady_start = time.perf_counter()
            self.images += images

    def __str__(self) -> str:
        now = time.perf_counter()
        if self.images > self._first:
            rate = (self.images - self._first) / (now - self._steady_start)
            note = "after the first batch"
        else:
            rate = self.images / (now - self._start)
            note = "including the start of the network"
        return f"{self.images} images in {now - self._start:.1f} s, {rate:.1f} images/s {note}"
