"""What the files of a run say about it, read without its network."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from utils.errors import UserError
from utils.files.lock import is_locked
from utils.files.reading import open_npz, read_json, reading
from utils.metrics.history import best_epoch, read_history
from yolo4.run import RUNS, Run

Row = dict[str, Any]

_TIME = "%Y-%m-%d %H:%M:%S"
_NUMBERS = ("started", "epochs", "val", "test", "time")


def find_runs(folder: Path) -> list[Run]:
    """The runs in a folder, in the order of their names.

    Raises:
        UserError: there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; train.py makes runs in {RUNS}/")
    return [Run(file.parent) for file in sorted(folder.glob("*/config.json"))]


def describe_run(run: Run) -> Row:
    """A run's line: name, data, network, loss, epochs, mAP on val and test, time and state.

    The time is that of the training steps in seconds; validation is left out. A run that diverged,
    and one whose files cannot be read, with the state "unreadable", have a reason.
    """
    row: Row = {
        "name": run.folder.name,
        "folder": str(run.folder),
        "started": time.strftime(_TIME, time.localtime(run.config_file.stat().st_mtime)),
        **dict.fromkeys(("data", "network", "loss", "epochs", "of", "val", "test", "time")),
        "reason": None,
    }
    try:
        config = run.config()
        row |= {
            "data": config.data_name,
            "network": config.network_name,
            "loss": config.confidence_loss,
            "of": config.epochs,
            "test": _test_map(run),
        }
        progress = _progress(run)
        row |= _course(run, progress.get("training_images"))
        row["state"] = _state(run, row, bool(progress.get("stopped_early")))
        if row["state"] == "failed" and run.failure:
            row["reason"] = f"{run.folder}: {run.failure}"
        return row
    except UserError as error:
        return row | {"state": "unreadable", "reason": str(error)}


def sort_rows(rows: list[Row], by: str) -> list[Row]:
    """Rows in the order of a column: numbers from the highest, texts from A, none at the end."""
    known = [row for row in rows if row[by] is not None]
    known.sort(key=lambda row: row[by], reverse=by in _NUMBERS)
    return [*known, *(row for row in rows if row[by] is None)]


def _course(run: Run, images: int | None) -> Row:
    """Finished epochs, the best validation mAP and the time of the steps."""
    if not run.history_file.is_file():
        return {"epochs": 0}
    history = read_history(run.history_file)
    with reading(run.history_file, "the history of a training"):
        best = best_epoch(history)
        return {
            "epochs": int(history["epoch"].max(initial=0)),
            "val": None if best is None else float(np.nanmax(history["map50"])),
            "time": float((images / history["images_per_second"]).sum()) if images else None,
        }


def _progress(run: Run) -> dict[str, Any]:
    """How far the state of a run has come; empty if it has no state."""
    if not run.state_file.is_file():
        return {}
    with open_npz(run.state_file, "the state of a training") as arrays:
        return dict(json.loads(str(arrays["progress"])))


def _test_map(run: Run) -> float | None:
    """VOC mAP on the test images, if get_map.py has measured it."""
    file = run.folder / "evaluation" / "test" / "metrics.json"
    if not file.is_file():
        return None
    metrics = read_json(file)
    with reading(file, "the metrics of an evaluation"):
        measured = metrics["voc"]["map"]
        return None if measured is None else float(measured)


def _state(run: Run, row: Row, stopped_early: bool) -> str:
    """What can be done with a run.

    "converted" has weights that were not trained here. "failed" has diverged, or has neither
    finished nor a state to resume from.
    """
    if is_locked(run.folder):
        return "running"
    if run.failure_file.is_file():
        return "failed"
    if row["epochs"] >= row["of"] or stopped_early:
        return "finished"
    if run.state_file.is_file():
        return "can be resumed"
    return "failed" if row["epochs"] or not run.best_weights.is_file() else "converted"
