"""Makes training batches in processes of their own, where threads would wait for each other.

Of the time that a batch takes, a fifth to a quarter holds Python's lock, which one thread of a
process can have at a time: a few threads hardly notice, sixteen would be no faster than four.
"""

import pickle
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import Array
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue

import numpy as np

from utils.errors import UserError
from utils.training_data.dataset import Targets, TrainingSet

# Up to so many workers are threads, which start at once and share a cache in memory.
MOST_THREADS = 4

# A fork of a process with TensorFlow's threads in it can stop dead.
_CONTEXT = get_context("spawn")


def processes(workers: int) -> int:
    """Count the processes that make batches: this one alone where threads of it can do it."""
    return workers if workers > MOST_THREADS else 1


@contextmanager
def batch_maker(
    training: TrainingSet, batch_size: int, workers: int
) -> Iterator["TrainingSet | InProcesses"]:
    """Within the block there is something that makes the batches of a training set.

    Args:
        training: the set.
        batch_size: images per batch.
        workers: how many threads will ask for batches.
    """
    if processes(workers) == 1:
        yield training
        return
    maker = InProcesses(training, batch_size, workers)
    try:
        yield maker
    finally:
        maker.close()


class InProcesses:
    """The batches of a training set, made in other processes for any number of threads here."""

    def __init__(self, training: TrainingSet, batch_size: int, workers: int) -> None:
        """Start the processes.

        Args:
            training: the set. It is copied to each process.
            batch_size: images per batch.
            workers: how many processes.
        """
        self._training = training
        shape = (batch_size, *training.input_size, 3)
        with _without_interrupts():
            self._makers = [_Maker(shape) for _ in range(workers)]
        self._free: SimpleQueue[_Maker | None] = SimpleQueue()
        pickled = pickle.dumps(training)  # once: a large set takes a while
        for maker in self._makers:
            maker.send(pickled)
            self._free.put(maker)

    def steps(self, batch_size: int) -> int:
        """As `TrainingSet.steps`."""
        return self._training.steps(batch_size)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        """As `TrainingSet.batch`, of the batch size that this was made for.

        Raises:
            ImageError: an image can't be read.
            UserError: a process was ended from outside.
            RuntimeError: this is closed, or a batch could not be made for any other reason.
        """
        maker = self._free.get()
        try:
            if maker is None:
                raise RuntimeError("no batch is made once this is closed")
            return maker.batch(step, epoch, batch_size)
        finally:
            self._free.put(maker)

    def close(self) -> None:
        """End the processes, each after the batch it is at."""
        for _ in self._makers:
            self._free.get().end()
        self._free.put(None)


class _Maker:
    """A process that makes batches, and this end of the line to it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        # Images come back through memory that both share: a pipe would be the slowest part.
        shared = _CONTEXT.RawArray("B", int(np.prod(shape)))
        self._images = np.frombuffer(shared, np.uint8).reshape(shape)
        self._connection, other_end = _CONTEXT.Pipe()
        arguments = (other_end, shared, shape)
        self._process = _CONTEXT.Process(target=_make_batches, args=arguments, daemon=True)
        self._process.start()
        other_end.close()  # so that either side learns of the end of the other

    def send(self, pickled: bytes) -> None:
        with _whole():
            self._connection.send_bytes(pickled)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        self.send(pickle.dumps((step, epoch, batch_size)))
        with _whole():
            answer = self._connection.recv()
        if isinstance(answer, UserError):
            raise answer
        if isinstance(answer, str):
            raise RuntimeError(f"in a process that makes training images:\n{answer}")
        return self._images.copy(), answer

    def end(self) -> None:
        self._connection.close()
        self._process.join()


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Within the block, Ctrl-C is ignored, and by the processes that begin there until they end."""
    if threading.current_thread() is not threading.main_thread():  # no other may change it
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _whole() -> Iterator[None]:
    """Within the block, a line that is cut means that the process has ended."""
    try:
        yield
    except (EOFError, OSError):
        raise UserError(
            "a process that makes training images was ended from outside, perhaps for want of "
            "memory; fewer --workers and --cache none take less"
        ) from None


def _make_batches(connection: Connection, shared: Array, shape: tuple[int, ...]) -> None:
    """What the process does, until the other end of the line is closed."""
    # Ctrl-C reaches all processes of a terminal, but the one that began them decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    images = np.frombuffer(shared, np.uint8).reshape(shape)

    def answered(question: tuple[int, int, int]) -> Targets | UserError | str:
        try:
            images[:], targets = training.batch(*question)
        except UserError as error:
            return error
        except Exception:  # whatever it is, the other side has to hear of it
            return traceback.format_exc()
        return targets

    try:
        training = connection.recv()
        while True:
            question = connection.recv()
            answer = answered(question)
            connection.send(answer)
    except (EOFError, OSError):  # of the line; those of the data are answers
        return
