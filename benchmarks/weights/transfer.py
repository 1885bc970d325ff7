"""What trained weights are worth: YOLOv4-tiny from random and from released weights, several seeds.

python -m benchmarks.weights.transfer --data bccd trains every start with every seed, one run after
the other, and prints a table. Finished runs are kept in --output: the same command continues, and
prints the table again.
"""

import csv
import dataclasses
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import machine
from utils.errors import UserError
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.run import Run

_ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Start:
    """How a training begins.

    Attributes:
        name: in the table, and of the folder.
        epochs: of the training.
        flags: of `train.py`; "WEIGHTS" stands for the weights.
    """

    name: str
    epochs: int
    flags: tuple[str, ...] = ()


_TRAINED = ("--weights", "WEIGHTS")
STARTS = (
    Start("random", 60),
    Start("trained", 20, _TRAINED),
    Start("trained, backbone at 0.1", 20, (*_TRAINED, "--backbone-lr-fraction", "0.1")),
    Start("trained, statistics kept", 20, (*_TRAINED, "--freeze-bn")),
    Start("trained, 4 epochs frozen", 20, (*_TRAINED, "--freeze-epochs", "4")),
)


@dataclasses.dataclass(frozen=True)
class TransferOptions:
    """What is trained."""

    data: str = option("bccd", "data set with the splits train, val and test")
    weights: str = option("yolov4-tiny", "the trained weights")
    starts: tuple[str, ...] = option(("random", "trained"), "which of the starts")
    seeds: int = option(3, "runs of each start", low=1)
    input_size: int = option(288, "side of the input in pixels")
    output: str = option("transfer", "folder of the runs")


def train(start: Start, seed: int, options: TransferOptions) -> Run:
    """Train one run, or what is missing of it."""
    folder = Path(options.output, f"{start.name.replace(', ', '-').replace(' ', '_')}-{seed}")
    run = Run(folder)
    if run.history_file.is_file() and len(_history(run)) == start.epochs:
        return run
    if run.state_file.is_file():
        flags = ["--resume", str(folder)]
    else:
        settings = {
            "--preset": "tiny",
            "--data": options.data,
            "--input-size": options.input_size,
            "--epochs": start.epochs,
            "--batch-size": 8,
            "--eval-period": 1,
            "--seed": seed,
            "--run-dir": folder,
        }
        flags = [str(word) for pair in settings.items() for word in pair]
        flags += [options.weights if flag == "WEIGHTS" else flag for flag in start.flags]
    subprocess.run([sys.executable, str(_ROOT / "train.py"), *flags], check=True)
    return run


def _history(run: Run) -> list[dict[str, str]]:
    with run.history_file.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def epochs_to(run: Run, score: float) -> int | None:
    """The first epoch after which validation mAP is at least `score`."""
    reached = (int(row["epoch"]) for row in _history(run) if float(row["map50"]) >= score)
    return next(reached, None)


def row(name: str, runs: Sequence[Run]) -> str:
    """A row of the table: mean and range over the seeds."""
    histories = [_history(run) for run in runs]
    best = [100 * max(float(entry["map50"]) for entry in history) for history in histories]
    last = [100 * float(history[-1]["map50"]) for history in histories]
    reached = [epochs_to(run, 0.8) for run in runs]
    words = ", ".join("never" if epoch is None else str(epoch) for epoch in reached)
    spread = statistics.stdev(best) if len(best) > 1 else float("nan")
    return (
        f"| {name} | {len(histories[0])} | {words} | {statistics.mean(last):.1f} | "
        f"{statistics.mean(best):.1f} | {min(best):.1f} to {max(best):.1f} | {spread:.1f} |"
    )


def measure(options: TransferOptions) -> None:
    """Train what is missing and print the table."""
    by_name = {start.name: start for start in STARTS}
    for name in options.starts:
        if name not in by_name:
            raise UserError(f"--starts: unknown start {name!r}; known are {', '.join(by_name)}")
    chosen = [by_name[name] for name in options.starts]
    runs = {
        start.name: [train(start, seed, options) for seed in range(options.seeds)]
        for start in chosen
    }
    print(machine())
    print("\n| start | epochs | epochs to 80% | last mAP | best mAP | range | st. dev. |")
    print("|---|---|---|---|---|---|---|")
    for name, finished in runs.items():
        print(row(name, finished))


if __name__ == "__main__":
    with clean_exit():
        measure(parse(TransferOptions(), __doc__))
