"""Workers that take turns, so that a machine that slows down slows down all of them."""

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from benchmarks.workers import Worker, WorkerError
from utils.errors import is_installed

PEAK = "matrix product"  # the name of the worker of `product_worker`
PRODUCT_SIDE = 2048
_WARM_UP = 2  # the first step compiles, and the second may choose among convolutions


def product_worker(precision: str, side: int = PRODUCT_SIDE) -> Worker:
    """A worker whose step is the product of two matrices, in PyTorch if it is installed."""
    library = "torch" if is_installed("torch") else "keras"
    return Worker(f"benchmarks.peers.{library}_steps:{library}_product", side, precision)


def product_flops(side: int = PRODUCT_SIDE) -> int:
    """Floating-point operations of the product of two square matrices."""
    return 2 * side**3


@contextmanager
def ready(
    workers: Mapping[str, Worker], counts: Iterable[int] = (1,)
) -> Iterator[dict[str, Worker]]:
    """The workers with their steps made and run, one after the other; at the end they are closed.

    One that fails is named and left out.

    Args:
        workers: by the name in the table.
        counts: the numbers of steps that will be asked for.
    """
    made = {}
    try:
        for name, worker in workers.items():
            try:
                worker.make()
                for count in (count for count in counts for _ in range(_WARM_UP)):
                    worker.run(count)
                made[name] = worker
            except WorkerError as error:
                print(f"{name} is left out: {error}")
        yield made
    finally:
        for worker in workers.values():
            worker.close()


def take_turns(
    workers: Mapping[str, Worker], repeats: int, counts: Sequence[int] = (1,)
) -> dict[tuple[str, int], list[float]]:
    """Seconds of each number of steps of each worker, in every turn."""
    times: dict[tuple[str, int], list[float]] = {}
    for _ in range(repeats):
        for count in counts:
            for name, worker in workers.items():
                times.setdefault((name, count), []).append(worker.run(count))
    return times


def ratio(values: Sequence[float], bases: Sequence[float]) -> float:
    """The median of the ratios within each turn."""
    return statistics.median(value / base for value, base in zip(values, bases, strict=True))


def spread(values: Sequence[float], digits: int) -> str:
    """The lowest and the highest value."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}"
