"""How long training takes to begin: `train.py --help`, and from the command to the first step.

python -m benchmarks.start prints the seconds of either and of their parts, the medians of several
starts. The network and the settings are those of train.py, the data its drawn sample set.
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
from unittest.mock import patch

from benchmarks.machine import machine
from train import CONFIG
from yolo4.cli import parse, run_command
from yolo4.options import option
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data

ROOT = Path(__file__).parents[1]


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
    """Seconds of each part of a start, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    start = time.time()
    process = context.Process(target=_start, args=(data, theirs))
    process.start()
    theirs.close()  # so that the end of a process that fails is seen here
    parts = {}
    for name, end in pipe.recv():
        parts[name], start = end - start, end
    process.join()
    return parts


def _start(data: tuple[str, ...], pipe: Connection) -> None:
    """Train up to the end of the first step, and tell when each part was over."""
    marks: list[tuple[str, float]] = []
    from yolo4.quiet import quiet_start

    with quiet_start():
        import keras

        from yolo4.config import Config
        from yolo4.train import loop as training
    marks.append(("importing TensorFlow and Keras", time.time()))
    prepare = training.prepare

    def prepare_and_mark(config: Config) -> object:
        setup = prepare(config)
        marks.append(("reading the data", time.time()))
        return setup

    class Clock(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            marks.append(("building the network, the first files", time.time()))

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            marks.append(("tracing, compiling and taking the first step", time.time()))
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        config = Config(**{**CONFIG, "data": data, "run_dir": str(Path(folder) / "run")})
        with patch("yolo4.train.loop.prepare", prepare_and_mark):
            training.train(config, lambda setup: (Clock(),))
    pipe.send(marks)


if __name__ == "__main__":
    run_command(lambda: measure(parse(StartOptions(), __doc__)))
