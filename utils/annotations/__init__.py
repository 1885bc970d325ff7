"""Annotated images: reads every common format, checks each image and box, and splits the set.

A new format is one file in `formats/`, which defines a `DataFormat` (see `raw.py`), and one line:
its entry in `FORMATS` (`formats/__init__.py`).
"""

from utils.annotations.formats.found import FoundData, find_data
from utils.annotations.load import DataSet, load_dataset
from utils.annotations.raw import Finding, Problem
from utils.annotations.report.scan_report import ScanReport

__all__ = [
    "DataSet",
    "Finding",
    "FoundData",
    "Problem",
    "ScanReport",
    "find_data",
    "load_dataset",
]
