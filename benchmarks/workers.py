"""Steps to be measured, each in a separate process, so that they share no memory or threads."""

import multiprocessing
import pkgutil
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

_SECONDS_TO_END = 5


def peak_memory() -> int:
    """The most bytes of main memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True)
class Steps:
    """What a worker measures.

    Attributes:
        run: does a number of steps, waits for their results and returns the seconds they took.
        memory: the most bytes that the steps needed, of the GPU if they run on one.
        note: what the table says of them, such as the precision that was chosen.
    """

    run: Callable[[int], float]
    memory: Callable[[], int] = peak_memory
    note: Any = None


class WorkerError(Exception):
    """A worker failed or took too long; the message has one line."""


class Worker:
    """A process that makes `Steps` and runs them on request.

    It starts and imports the module of its function at once, and makes the steps when `make` is
    called: the next worker can load its libraries while another one is measured.

    Args:
        function: as "package.module:function"; returns the steps.
        arguments: of the function.

    Attributes:
        note: that of the steps, when they are made.
    """

    def __init__(self, function: str, *arguments: Any) -> None:
        self.note: Any = None
        self._is_late = False
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        task = (function, arguments, theirs)
        self._process = context.Process(target=_serve, args=task, daemon=True)
        self._process.start()
        theirs.close()  # so that a process that ends is noticed here

    def make(self, seconds: float | None = None) -> None:
        """Make the steps.

        Raises:
            WorkerError: that failed, or took longer than `seconds`.
        """
        self.note = self._ask("make", seconds)

    def run(self, steps: int, seconds: float | None = None) -> float:
        """Do a number of steps; returns how long they took. The first steps may compile them.

        Raises:
            WorkerError: as `make`.
        """
        return self._ask(steps, seconds)

    def memory(self) -> int:
        """The most memory that the steps needed, in bytes."""
        return self._ask("memory", None)

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._pipe.close()
        self._process.join(0 if self._is_late else _SECONDS_TO_END)
        self._process.terminate()
        self._process.join()

    def _ask(self, request: str | int, seconds: float | None) -> Any:
        try:
            self._pipe.send(request)
            if not self._pipe.poll(seconds):
                self._is_late = True
                raise WorkerError("not done in time")
            answer = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            raise WorkerError(f"the process ended with status {self._process.exitcode}") from None
        if isinstance(answer, WorkerError):
            raise answer
        return answer


def _serve(function: str, arguments: tuple[Any, ...], pipe: Connection) -> None:
    """Answer requests until the other side of the pipe is closed."""
    make, steps = pkgutil.resolve_name(function), None
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            if request == "make":
                steps = make(*arguments)
                pipe.send(steps.note)
            elif request == "memory":
                pipe.send(steps.memory())
            else:
                pipe.send(steps.run(request))
        except Exception as error:
            pipe.send(WorkerError(_in_one_line(error)))


def _in_one_line(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".strip()
    if "RESOURCE_EXHAUSTED" in text or "OutOfMemory" in text or "OOM" in text:
        return "out of memory"
    return text.splitlines()[0][:200]


def timed(step: Callable[[], Any], wait: Callable[[Any], Any]) -> Callable[[int], float]:
    """A `Steps.run` that repeats a step and waits for the last result."""

    def run(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            result = step()
        wait(result)
        return time.perf_counter() - start

    return run
