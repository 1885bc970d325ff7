"""How long a training takes to start: `train.py --help`, and from the command to the first step.

python -m benchmarks.training.start prints the seconds of both and of their parts, as medians of
several starts. Network and settings are those of train.py, the data is its sample data set.
"""

import contextlib
import dataclasses
import multiprocessing
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.machine import machine
from train import CONFIG
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data
from yolo4.train.loop import start_run
from yolo4.train.options import train_defaults
from yolo4.train.setup import prepare

ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class StartOptions:
    """What is measured."""

    data: tuple[str, ...] = option((), "data set: folders or files; none: the sample data set")
    repeats: int = option(5, "starts", low=1)


def measure(options: StartOptions) -> None:
    """Print the tables."""
    data = options.data or (str(make_sample_data(SAMPLE_DATA)),)
    helps, starts = [], []
    for _ in range(options.repeats):
        helps.append(_seconds_of_help())
        starts.append(_parts_of_start(data))
    print(f"\n{machine()}\n\n| part | seconds | spread |\n|---|---|---|")
    _print_row("`python train.py --help`", helps)
    for part in starts[0]:
        _print_row(part, [start[part] for start in starts])
    _print_row("from the command to the end of the first step", [sum(s.values()) for s in starts])


def _print_row(name: str, seconds: list[float]) -> None:
    print(
        f"| {name} | {statistics.median(seconds):.1f} | {min(seconds):.1f} to {max(seconds):.1f} |"
    )


def _seconds_of_help() -> float:
    start = time.perf_counter()
    command = [sys.executable, ROOT / "train.py", "--help"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def _parts_of_start(data: tuple[str, ...]) -> dict[str, float]:
    """Seconds of each part of a start, in a separate process."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    start = time.time()
    process = context.Process(target=_start, args=(data, theirs))
    process.start()
    theirs.close()  # so that a failing process is noticed here
    parts = {}
    for name, end in pipe.recv():
        parts[name], start = end - start, end
    process.join()
    return parts


def _start(data: tuple[str, ...], pipe: Connection) -> None:
    """Train until the end of the first step, and send when each part ended."""
    marks: list[tuple[str, float]] = []
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        settings = train_defaults(CONFIG, []).settings()
        run_dir = Path(folder) / "run"
        run_dir.mkdir()
        setup = prepare(dataclasses.replace(settings, data=data, run_dir=str(run_dir)))
        marks.append(("reading the data, importing TensorFlow and Keras", time.time()))
        import keras

        class Clock(keras.callbacks.Callback):
            def on_train_begin(self, logs: dict | None = None) -> None:
                marks.append(("building the network, writing the first files", time.time()))

            def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
                marks.append(("tracing, compiling and executing the first step", time.time()))
                raise KeyboardInterrupt

        start_run(setup, lambda setup: (Clock(),))
    pipe.send(marks)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(StartOptions(), __doc__))
