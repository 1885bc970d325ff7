"""How long the command `predict.py` takes for one image, with each backend.

python -m benchmarks.inference.prediction --run logs/<run> prints the seconds of the first call,
which writes the network for the backend, and of later calls, and those of TensorFlow's import for
comparison.
"""

import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.machine import machine
from utils.annotations import load_dataset
from utils.errors import UserError
from yolo4.cli import clean_exit, parse
from yolo4.inference.records import choose_records
from yolo4.options import option
from yolo4.run import Run, open_run

ROOT = Path(__file__).parents[2]
BACKENDS = ("auto", "keras")


@dataclasses.dataclass(frozen=True)
class PredictionOptions:
    """What to measure."""

    run: str | None = option(None, "a trained run; None: the latest")
    image: str | None = option(None, "image; None: the first test image of the run's data")
    repeats: int = option(5, "calls after the first", low=1)


def measure(options: PredictionOptions) -> None:
    """Print the table."""
    run = open_run(options.run)
    image = options.image if options.image else _first_image(run)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(run.folder, copy, ignore=shutil.ignore_patterns("engines"))
        predict = [ROOT / "predict.py", image, "--run", copy, "--output", Path(folder) / "found"]
        commands = {f"`--backend {name}`": [*predict, "--backend", name] for name in BACKENDS}
        first = {name: f"{_seconds(command):.1f}" for name, command in commands.items()}
        commands["`import tensorflow`"] = ["-c", "import tensorflow"]
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(options.repeats):  # in turns, as the machine may be slower in some
            for name, command in commands.items():
                times[name].append(_seconds(command))
    print(f"{machine()}\n\n| command | first time | from then on | spread |\n|---|---|---|---|")
    for name, seconds in times.items():
        spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
        print(f"| {name} | {first.get(name, '')} | {statistics.median(seconds):.1f} | {spread} |")


def _first_image(run: Run) -> Path:
    config = run.config()
    splits = load_dataset(config.data, run.class_names(), seed=config.split_seed).splits
    return choose_records(splits, None)[1][0].image


def _seconds(command: list) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise UserError(done.stderr.strip().rpartition("\n")[2].removeprefix("error: "))
    return seconds


if __name__ == "__main__":
    with clean_exit():
        measure(parse(PredictionOptions(), __doc__))
