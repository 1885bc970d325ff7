"""The options of `python -m yolo4 runs`."""

import dataclasses
from typing import Literal

from yolo4.options import check_ranges, option


@dataclasses.dataclass(frozen=True)
class RunsOptions:
    """Which runs are listed, and how."""

    folder: str | None = option(
        None, "folder of the runs, such as comparison/runs; None: logs", "runs"
    )
    sort: Literal[
        "started", "name", "data", "network", "loss", "epochs", "val", "test", "time", "state"
    ] = option("started", "order of the lines; numbers: the highest first", "runs")
    json: bool = option(False, "print JSON instead of a table", "runs")

    def __post_init__(self) -> None:
        check_ranges(self)
