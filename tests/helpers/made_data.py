"""Data sets with known objects, as `load_dataset` returns them."""

from pathlib import Path

import numpy as np

from utils.annotations import DataSet, Finding, Problem, ScanReport
from utils.records import Record


def made_record(name, size, *rows):
    """An image with objects `(label, x1, y1, x2, y2)`, and a sixth value if they are difficult."""
    table = np.array([(*row, 0)[:6] for row in rows], np.float64).reshape(-1, 6)
    return Record(
        Path(name),
        size,
        table[:, 1:5].astype(np.float32),
        table[:, 0].astype(np.int32),
        table[:, 5].astype(bool),
        digest=str(name).encode(),
    )


def made_data_set(names, splits, findings=(), notes=(), warnings=()):
    """A data set whose images need not exist."""
    report = ScanReport("made", names, splits, tuple(findings), tuple(notes), tuple(warnings))
    return DataSet("made", names, splits, report)


def zero_area(number):
    """A finding."""
    return Finding(Problem.ZERO_AREA, Path("a.xml"), f"object {number}", "cat [1, 1, 1, 1]")
