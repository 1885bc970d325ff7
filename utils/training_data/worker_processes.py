"""Makes training batches in worker processes, for more workers than threads are good for.

Making a batch holds Python's global interpreter lock for a fifth to a quarter of the time. This
hardly slows down a few threads, but sixteen would be no faster than four.
"""

import math
import pickle
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Array
from multiprocessing.connection import Connection
from queue import SimpleQueue

import numpy as np

from utils.errors import UserError
from utils.process.children import SPAWN, deaf_children, end_with_parent
from utils.training_data.dataset import Targets, TrainingSet

# Up to this many workers are threads, which start at once and share a cache in memory.
MAX_THREADS = 4


def process_count(workers: int) -> int:
    """The number of processes that make batches: 1 if threads of this process do it."""
    return workers if workers > MAX_THREADS else 1


@contextmanager
def batch_maker(
    training: TrainingSet, batch_size: int, workers: int
) -> Iterator["TrainingSet | ProcessBatchMaker"]:
    """Within the block, yield an object that makes the batches of a training set.

    Args:
        training: the set.
        batch_size: images per batch.
        workers: number of threads that will request batches.
    """
    if process_count(workers) == 1:
        yield training
        return
    maker = ProcessBatchMaker(training, batch_size, workers)
    try:
        yield maker
    finally:
        maker.close()


class ProcessBatchMaker:
    """Makes the batches of a training set in other processes, for any number of threads here."""

    def __init__(self, training: TrainingSet, batch_size: int, workers: int) -> None:
        """Start the processes.

        Args:
            training: the set. It is copied to each process.
            batch_size: images per batch.
            workers: number of processes.
        """
        self._training = training
        pixels = batch_size * max(height * width for height, width in training.sizes)
        with deaf_children():
            self._workers = [_Worker(3 * pixels) for _ in range(workers)]
        self._idle: SimpleQueue[_Worker | None] = SimpleQueue()
        pickled = pickle.dumps(training)  # once, since a large set takes a while
        for worker in self._workers:
            worker.send(pickled)
            self._idle.put(worker)

    def steps(self, batch_size: int) -> int:
        """Like `TrainingSet.steps`."""
        return self._training.steps(batch_size)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        """Like `TrainingSet.batch`, for the batch size given to the constructor.

        Raises:
            ImageError: an image cannot be read.
            UserError: a worker process was killed.
            RuntimeError: the batch maker is closed, or making the batch failed in any other way.
        """
        worker = self._take_idle()
        try:
            return worker.batch(step, epoch, batch_size)
        finally:
            self._idle.put(worker)

    def close(self) -> None:
        """End the processes, each after its current batch."""
        for _ in self._workers:
            self._take_idle().end()
        self._idle.put(None)

    def _take_idle(self) -> "_Worker":
        """Wait for a process that has nothing to do, and take it out of the queue."""
        worker = self._idle.get()
        if worker is None:
            self._idle.put(None)  # for other threads that wait
            raise RuntimeError("the batch maker is closed")
        return worker


class _Worker:
    """A process that makes batches, and this end of the connection to it."""

    def __init__(self, largest: int) -> None:
        """Start the process; `largest` is the number of bytes of the images of a batch."""
        # Images are returned in shared memory: a pipe would be the slowest part.
        shared = SPAWN.RawArray("B", largest)
        self._images = np.frombuffer(shared, np.uint8)
        self._connection, other_end = SPAWN.Pipe()
        arguments = (other_end, shared)
        self._process = SPAWN.Process(target=_make_batches, args=arguments, daemon=True)
        self._process.start()
        other_end.close()  # so that each side notices when the other ends

    def send(self, pickled: bytes) -> None:
        with _connection_errors():
            self._connection.send_bytes(pickled)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        self.send(pickle.dumps((step, epoch, batch_size)))
        with _connection_errors():
            result = self._connection.recv()
        if isinstance(result, UserError):
            raise result
        if isinstance(result, str):
            raise RuntimeError(f"in a worker process:\n{result}")
        shape, targets = result
        return self._images[: math.prod(shape)].reshape(shape).copy(), targets

    def end(self) -> None:
        self._connection.close()
        self._process.join()


@contextmanager
def _connection_errors() -> Iterator[None]:
    """Within the block, a broken connection is reported as the end of the worker process."""
    try:
        yield
    except (EOFError, OSError):
        raise UserError(
            "a worker process that makes training images was killed, perhaps because memory ran "
            "out; fewer --workers and --cache none need less"
        ) from None


def _make_batches(connection: Connection, shared: Array) -> None:
    """What a worker process does, until the other end of the connection is closed."""
    end_with_parent()
    buffer = np.frombuffer(memoryview(shared), np.uint8)

    def make(
        step: int, epoch: int, batch_size: int
    ) -> tuple[tuple[int, ...], Targets] | UserError | str:
        try:
            images, targets = training.batch(step, epoch, batch_size)
            buffer[: images.size] = images.ravel()
        except UserError as error:
            return error
        except Exception:  # any other failure has to be reported to the parent too
            return traceback.format_exc()
        return images.shape, targets

    try:
        training = connection.recv()
        while True:
            request = connection.recv()
            connection.send(make(*request))
    except (EOFError, OSError):  # of the connection; `make` returns those of the data
        return
