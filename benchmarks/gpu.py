"""Training and inference on a GPU, on Keras with JAX or TensorFlow, beside PyTorch.

python -m benchmarks.gpu prints a row for each network, precision, batch size and library, the most
telling ones first, as soon as it is measured: images/s of a training step or of the network alone,
its share of the GPU's peak (the fastest product of two matrices of the same type), the memory and
the seconds until the second step, most of which go into compilation. It stops after --seconds and
says how to continue. Each row has a separate process; several compile side by side, and each is
measured alone.
"""

import dataclasses
import functools
import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from benchmarks.machine import machine
from benchmarks.peers.turns import product_flops
from benchmarks.peers.work import Job, Work
from benchmarks.workers import Worker, WorkerError
from utils.errors import UserError, is_installed
from yolo4.cli import clean_exit, parse
from yolo4.environment.streams import prepare_streams
from yolo4.options import option
from yolo4.quiet import quiet_start

_PRECISIONS = ("bfloat16", "float32")
_JOBS: tuple[Job, ...] = ("training", "forward")
_MODULES = ("keras", "torch")
_LONGEST_COMPILATION = 180  # seconds
_SECONDS_OF_A_TURN = 0.4
_TURNS = 5
_PRODUCTS = 20


@dataclasses.dataclass(frozen=True)
class GpuOptions:
    """What is measured."""

    seconds: int = option(390, "when to stop", low=1)
    first: int = option(1, "number of the first row", low=1)
    networks: tuple[str, ...] = option(("yolov4", "yolov4-tiny"), "in the order of their worth")
    batches: tuple[int, ...] = option(
        (32, 8, 64, 1), "images per batch, in the order of their worth", low=1
    )
    input_size: int = option(416, "pixels a side", low=32)
    width: float = option(1.0, "channels, relative to the network's own")
    depth: float = option(1.0, "residual blocks, relative to the network's own")
    at_once: int = option(
        max(1, (os.cpu_count() or 1) // 4), "jobs whose rows compile at the same time", low=1
    )
    product: int = option(8192, "side of the matrices", low=1)


class Row(NamedTuple):
    """A row of the table: a job and the library that does it.

    Attributes:
        library: its name in the table.
        module: "keras" or "torch".
        work: the job.
        options: further arguments of what makes the steps.
    """

    library: str
    module: str
    work: Work
    options: tuple = ()

    def worker(self) -> Worker:
        """A process for the row."""
        function = f"benchmarks.peers.{self.module}_steps:{self.module}_steps"
        return Worker(function, self.work, *self.options)


def rows(options: GpuOptions) -> list[Row]:
    """All rows, the most telling first: a choice that is early in its list is worth more."""
    choices = (options.networks, _PRECISIONS, _JOBS, options.batches)
    ranked = itertools.product(*(enumerate(choice) for choice in choices))
    ordered = sorted(ranked, key=lambda row: 2 * row[0][0] + sum(rank for rank, _ in row[1:]))
    return [row for chosen in ordered for row in _libraries(options, *(c for _, c in chosen))]


def _libraries(
    options: GpuOptions, network: str, precision: str, job: Job, batch_size: int
) -> Iterator[Row]:
    work = Work(
        network=network,
        input_size=options.input_size,
        batch_size=batch_size,
        width=options.width,
        depth=options.depth,
        job=job,
        precision=precision,
    )
    yield Row(f"this project, {os.environ['KERAS_BACKEND']}", "keras", work)
    yield Row("PyTorch compiled", "torch", work, (True,))
    yield Row("PyTorch", "torch", work, (False,))


def measure(options: GpuOptions) -> None:
    """Print the peaks, and then the table."""
    end = time.monotonic() + options.seconds
    _choose_backend()
    print(machine())
    for module in _MODULES:
        if not is_installed(module):
            print(f"{module} is not installed: its rows are left out")
    peaks = _peaks(options.product)
    todo = [
        (number, row)
        for number, row in enumerate(rows(options), 1)
        if number >= options.first and is_installed(row.module)
    ]
    columns = ("row", "network", "job", "precision", "batch", "library", "images/s", "of the peak")
    columns += ("memory", "until the second step")
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    left = _print_rows(todo, peaks, end, options.at_once)
    if left:
        print(f"\nrows from {left} on are left: continue with --first {left}")


def _print_rows(
    todo: Sequence[tuple[int, Row]], peaks: dict[str, float], end: float, at_once: int
) -> int | None:
    """Measure and print rows until `end`; returns the number of the first that is left.

    The rows of `at_once` jobs compile side by side: that is most of the work, and leaves most cores
    idle. Then each is measured alone.
    """
    left = list(todo)
    while left:
        if time.monotonic() > end:
            return left[0][0]
        works = list(dict.fromkeys(row.work for _, row in left))[:at_once]
        rows_now = [(number, row) for number, row in left if row.work in works]
        left = left[len(rows_now) :]
        workers = [row.worker() for _, row in rows_now]
        limit = min(end, time.monotonic() + _LONGEST_COMPILATION * at_once)
        with ThreadPoolExecutor(len(workers)) as pool:
            starts = list(pool.map(functools.partial(_start, limit=limit), workers))
        cut_off = []
        for (number, _), worker, start in zip(rows_now, workers, starts, strict=True):
            if isinstance(start, WorkerError):
                worker.close()
                cut_off += [number] if time.monotonic() > end else []
        for (number, row), worker, start in zip(rows_now, workers, starts, strict=True):
            if number in cut_off:
                continue
            cells = _measure_row(worker, row.work, peaks[row.work.precision], start)
            worker.close()
            work = row.work
            chosen = (work.network, work.job, work.precision, work.batch_size, row.library)
            print(f"| {' | '.join(map(str, (number, *chosen, *cells)))} |", flush=True)
        if cut_off:
            return cut_off[0]
    return None


def _start(worker: Worker, limit: float) -> float | WorkerError:
    """Make a worker's steps and do the first; returns the seconds it took, or why it failed."""
    start = time.monotonic()
    try:
        worker.make(limit - start)
        worker.run(1, limit - time.monotonic())
    except WorkerError as error:
        return error
    return time.monotonic() - start


def _measure_row(
    worker: Worker, work: Work, peak: float, start: float | WorkerError
) -> tuple[str, str, str, str]:
    """Images/s, share of the peak, memory and seconds until the second step."""
    try:
        if isinstance(start, WorkerError):
            raise start
        count = max(1, min(50, round(_SECONDS_OF_A_TURN / worker.run(1))))
        step = statistics.median(worker.run(count) / count for _ in range(_TURNS))
        memory = f"{worker.memory() / 1e9:.1f} GB"
    except WorkerError as error:
        return str(error), "", "", ""
    return (
        f"{work.batch_size / step:.1f}",
        f"{work.flops / step / peak:.1%}",
        memory,
        f"{start:.0f} s",
    )


def _peaks(side: int) -> dict[str, float]:
    """The most floating-point operations per second of each precision, in either library."""
    products = {
        (precision, module): Worker(
            f"benchmarks.peers.{module}_steps:{module}_product", side, precision
        )
        for precision in _PRECISIONS
        for module in _MODULES
        if is_installed(module)
    }
    found: dict[str, dict[str, float]] = {precision: {} for precision in _PRECISIONS}
    for (precision, module), worker in products.items():
        worker.make()
        worker.run(_PRODUCTS)
        seconds = statistics.median(worker.run(_PRODUCTS) for _ in range(_TURNS))
        found[precision][module] = _PRODUCTS * product_flops(side) / seconds
        worker.close()
    for precision, by_module in found.items():
        words = ", ".join(f"{name} {value / 1e12:.3g}" for name, value in by_module.items())
        print(f"peak in {precision}, TFLOP/s: {words}")
    return {precision: max(by_module.values()) for precision, by_module in found.items()}


def _choose_backend() -> None:
    """Keras on JAX or TensorFlow, whichever is installed, unless the environment chooses."""
    chosen = next((name for name in ("tensorflow", "jax") if is_installed(name)), None)
    if chosen is None:
        raise UserError("neither JAX nor TensorFlow is installed")
    os.environ.setdefault("KERAS_BACKEND", chosen)
    # Several rows share the GPU's memory, of which JAX would take three quarters at once.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with quiet_start():
        pass  # the processes inherit its settings


if __name__ == "__main__":
    prepare_streams()
    with clean_exit():
        measure(parse(GpuOptions(), __doc__))
