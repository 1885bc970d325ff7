"""The command behind `python -m yolo4 runs`."""

import json
from pathlib import Path

from utils.printable import printable
from utils.text import aligned
from yolo4.run import RUNS
from yolo4.runs.listing import Row, describe_run, find_runs, sort_rows
from yolo4.runs.options import RunsOptions

_HEAD = ("run", "data", "network", "loss", "epochs", "val mAP", "test mAP", "time", "state")
_RIGHT = ("epochs", "val mAP", "test mAP", "time")


def list_runs(options: RunsOptions) -> None:
    """Print a line for each run in a folder.

    Raises:
        UserError: there is no such folder.
    """
    folder = RUNS if options.folder is None else Path(options.folder)
    rows = sort_rows(list(map(describe_run, find_runs(folder))), options.sort)
    if options.json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        print(*map(printable, _table(rows)), sep="\n")
    else:
        print(printable(f"{folder}: no runs; python train.py makes one"))


def _table(rows: list[Row]) -> list[str]:
    left = [number for number, name in enumerate(_HEAD) if name not in _RIGHT]
    reasons = [row["reason"] for row in rows if row["reason"]]
    return [*aligned([_HEAD, *map(_cells, rows)], left), *reasons]


def _cells(row: Row) -> tuple[str, ...]:
    texts = [row[name] or "-" for name in ("name", "data", "network", "loss")]
    epochs = "-" if row["epochs"] is None else f"{row['epochs']}/{row['of']}"
    scores = ["-" if row[name] is None else f"{row[name]:.3f}" for name in ("val", "test")]
    return (*texts, epochs, *scores, _duration(row["time"]), row["state"])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"
