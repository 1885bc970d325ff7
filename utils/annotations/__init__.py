"""Annotated images in every usual format: found, read, checked and split."""

from utils.annotations.load import DataSet, load_dataset
from utils.annotations.report import ScanReport
from utils.annotations.source import Kind, Problem

__all__ = ["DataSet", "Kind", "Problem", "ScanReport", "load_dataset"]
