"""The jobs of a study, each done in a child process, and who has them done."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from utils.process.children import ChildKilledError, call_in_child


@dataclass(frozen=True)
class Job:
    """A run or a trial of a study: what a child process does in the study's folder.

    Attributes:
        name: for messages, such as "focal, seed 3"; unique in the study.
        function: of a module; it takes the study's folder and the arguments.
        arguments: they can be pickled.
        epochs: of its training.
        folder: of its training, below the study's folder.
        result: what the study keeps, below its folder: `folder`, or a file beside it.
        reads: patterns of the files that it needs besides, below the study's folder.
    """

    name: str
    function: Callable[..., None]
    arguments: tuple[Any, ...]
    epochs: int
    folder: str
    result: str
    reads: tuple[str, ...]


@dataclass(frozen=True)
class Ended:
    """A job that has ended.

    Attributes:
        job: the job.
        seconds: how long it took.
        killed: why its process ended without a result; None if it had one.
    """

    job: Job
    seconds: float
    killed: ChildKilledError | None


Begun = Callable[[Job, str], None]
"""Called when a job begins, with the place in words: empty, or such as " on host"."""


class Executor(Protocol):
    """Has the jobs of a study done."""

    @property
    def width(self) -> int:
        """How many jobs are done at once."""
        ...

    def carry_out(
        self, study: Path, chains: Iterable[Iterator[Job]], begun: Begun
    ) -> Iterator[Ended]:
        """Have jobs done.

        Args:
            study: the study's folder.
            chains: the jobs of a chain build on one another. The next one is asked for when the one
                before has ended.
            begun: called when a job begins.

        Yields:
            The jobs, as they end.

        Raises:
            UserError: the data or the settings do not allow training.
        """
        ...


class InTurn:
    """Has the jobs of a study done on this machine, one after another."""

    width = 1

    def carry_out(
        self, study: Path, chains: Iterable[Iterator[Job]], begun: Begun
    ) -> Iterator[Ended]:
        """See `Executor`. The chains take turns."""
        waiting = deque(chains)
        while waiting:
            chain = waiting.popleft()
            for job in chain:
                begun(job, "")
                start, killed = time.perf_counter(), None
                try:
                    call_in_child(job.function, study, *job.arguments)
                except ChildKilledError as error:
                    killed = error
                yield Ended(job, time.perf_counter() - start, killed)
                waiting.append(chain)
                break
