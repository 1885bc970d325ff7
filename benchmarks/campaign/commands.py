"""The commands that are killed, and what of their results has to be the same every time."""

import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from yolo4.formats.onnx import open_onnx

ROOT = Path(__file__).parents[2]

_SIDE = 64
_IMAGES = (1, _SIDE, _SIDE, 3)
_NETWORK = ["--width", "0.0625", "--depth", "0.1", "--input-size", f"{_SIDE}", "--batch-size", "2"]
# Two phases, an average of the weights, loader processes, and a state after every step.
_TRAINING = [*_NETWORK, "--epochs", "4", "--freeze-epochs", "1", "--eval-period", "2"]
_TRAINING += ["--ema", "0.9", "--workers", "5", "--save-minutes", "0.0001"]
_STUDY = [*_NETWORK, "--epochs", "1", "--eval-period", "1", "--ema", "None", "--max-seeds", "1"]
_STUDY += ["--arms", "bce", "focal"]

# What depends on the time, by file or key.
_TIMES = {"images_per_second", "waited_for_data", "minutes", "made"}
_DRAWN_WITH_TIMES = {"curves.png", "progress.html", "report.html"}
_CHOSEN_BY_TIMES = {"streams.json"}
# The previous state may be one step older or younger.
_NOT_COMPARED = {*_DRAWN_WITH_TIMES, *_CHOSEN_BY_TIMES, "state.previous.npz"}
_TENSORBOARD = "tensorboard"


@dataclass(frozen=True)
class Command:
    """A command that is killed.

    Attributes:
        name: for the table.
        argv: its arguments, relative to its folder, beside which the data is.
        results: the folders that hold its results.
        needs_run: whether it needs a trained run in the folder `run`.
    """

    name: str
    argv: tuple[str, ...]
    results: tuple[str, ...]
    needs_run: bool = True

    def argv_to_continue(self, folder: Path) -> tuple[str, ...]:
        """The arguments that continue the command in a folder after it was killed there."""
        has_begun = (folder / "run" / "config.json").exists()
        if self.argv[0] == "train.py" and has_begun:
            return ("train.py", "--resume", "run")
        return self.argv


_DATA = ("--data", "../data")
_EXPORT = ("-m", "yolo4", "export", "--run", "run", "--output", "exported")
TRAIN = Command("train", ("train.py", *_DATA, *_TRAINING, "--run-dir", "run"), ("run",), False)
COMMANDS = (
    TRAIN,
    Command("compare", ("compare.py", *_DATA, *_STUDY, "--output", "study"), ("study",), False),
    Command("export", (*_EXPORT, "--format", "onnx"), ("exported", "run")),
    Command(
        "predict",
        ("predict.py", "../data/JPEGImages", "--run", "run", "--output", "found"),
        ("found", "run"),
    ),
)


def files_of(folder: Path, results: Iterable[str]) -> dict[str, Path]:
    """The files of some of the folders in a folder by their names; TensorBoard's stand for one."""
    files = {}
    for path in sorted(path for name in results for path in (folder / name).rglob("*")):
        name = path.relative_to(folder)
        if _TENSORBOARD in name.parts:
            name = Path(*name.parts[: name.parts.index(_TENSORBOARD) + 1])
        elif path.is_dir():
            continue
        files[name.as_posix()] = path
    return files


def content_of(path: Path) -> Any:
    """The part of a file that does not depend on the time, comparable by `==`."""
    if path.name in _NOT_COMPARED or _TENSORBOARD in path.parts:
        return None
    read = _READERS.get(path.name) or _READERS.get(path.suffix) or Path.read_bytes
    return read(path)


def _history(path: Path) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")))
    return [{name: row[name] for name in row if name not in _TIMES} for row in rows]


def _arrays(path: Path) -> dict[str, tuple]:
    with np.load(path) as stored:
        names = [name for name in stored.files if name != "progress"]
        return {name: (stored[name].dtype, stored[name].tobytes()) for name in names}


def _without_times(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _without_times(content[name]) for name in content if name not in _TIMES}
    return [_without_times(each) for each in content] if isinstance(content, list) else content


def _json(path: Path) -> Any:
    return _without_times(json.loads(path.read_text(encoding="utf-8")))


def _outputs(path: Path) -> dict[str, bytes]:
    """What a network computes: the names of its operations differ from export to export."""
    images = np.random.default_rng(0).integers(0, 256, _IMAGES, np.uint8)
    return {name: array.tobytes() for name, array in open_onnx(path)(images).items()}


_READERS: dict[str, Callable[[Path], Any]] = {
    "history.csv": _history,
    ".npz": _arrays,
    ".onnx": _outputs,
    ".json": _json,
}
