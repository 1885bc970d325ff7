"""Lets the stages of a long job overlap, with bounded memory and the order kept."""

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

Item = TypeVar("Item")
Result = TypeVar("Result")


def overlapped(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Iterator[Result]:
    """`map` on threads that work ahead of whoever takes the results.

    Args:
        function: called on each item, on several threads at once when `workers` is above 1.
        items: taken one by one on the caller's thread, as room comes free.
        workers: number of threads.
        ahead: so many items may wait, begun or done, while a result is being used.

    Yields:
        The results in the order of the items. An exception of `function` comes out in its place;
        then, or when the iterator is closed, what has not begun is dropped.
    """
    pool = ThreadPoolExecutor(workers)
    begun: deque[Future[Result]] = deque()
    try:
        for item in items:
            begun.append(pool.submit(function, item))
            if len(begun) > ahead:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
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


@contextmanager
def finish_on_interrupt() -> Iterator[threading.Event]:
    """Within the block, Ctrl-C sets an event, and only a second one interrupts at once."""
    stop = threading.Event()

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print("\nfinishing what has begun; Ctrl-C again breaks off", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


class Pace:
    """Images per second, without the first batch, during which the network is compiled."""

    def __init__(self) -> None:
        self.images = 0
        self._start = self._steady_start = time.perf_counter()
        self._first = 0
        self._lock = threading.Lock()

    def count(self, images: int) -> None:
        """A batch of so many images is done; may be told on several threads."""
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
            note = "with the start of the network"
        return f"{self.images} images in {now - self._start:.1f} s, {rate:.1f} images/s {note}"
