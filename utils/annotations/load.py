"""Loads data sets from disk into checked records."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from utils.annotations.cached.scan_cache import ScanCache
from utils.annotations.cached.whole_scan import WholeScan
from utils.annotations.check import CheckedEntry
from utils.annotations.formats.found import DataPaths, FoundData, find_data, paths_of
from utils.annotations.labels import class_names_of, make_record
from utils.annotations.raw import Finding, RawDataSet
from utils.annotations.report.scan_report import ScanReport, describe_first
from utils.annotations.report.warnings import shorten, warnings_of
from utils.annotations.scan import check_all
from utils.annotations.split import (
    create_missing_splits,
    merge_data_sets,
    merge_repeats,
    remove_leaks,
)
from utils.errors import UserError
from utils.process.collector import collector_paused
from utils.records import Record
from utils.text import encoding_note


@dataclass(frozen=True)
class DataSet:
    """A checked data set.

    Attributes:
        format: the name of the format, for people.
        class_names: the names that the labels of the records index.
        splits: records under "train", "val" and "test"; empty splits are left out.
        report: what is in the data and what is wrong with it.
    """

    format: str
    class_names: tuple[str, ...]
    splits: dict[str, list[Record]]
    report: ScanReport


@collector_paused()
def load_dataset(
    data: DataPaths | FoundData,
    class_names: Sequence[str] | None = None,
    on_bad_data: Literal["skip", "error"] = "skip",
    seed: int = 0,
    progress: bool = True,
    report_file: Path | None = None,
) -> DataSet:
    """Read data sets of any known format, check every image and box, and split them.

    Files that have not changed since the last scan are not read again; if none has, nothing is
    checked again either.

    Args:
        data: folders or files of data sets, as for `find_data`, or what that has found; several are
            merged split by split.
        class_names: the classes and their order. By default the format's own list, or all names
            that occur, sorted.
        on_bad_data: "skip" fixes or skips bad data and reports it; "error" raises an error.
        seed: determines the split if the data has none.
        progress: show a progress bar, then print the report.
        report_file: the file that the caller will write `report.to_csv()` to, for the report.

    Returns:
        The data set. Existing splits are used. Without any, the data is split 80/10/10 percent; if
        only val is missing, it is a tenth of train.

    Raises:
        UserError: no data set of a known format; no usable image or object; with "error" any bad
            data: the message has the first problem and the number of problems.
    """
    if isinstance(data, FoundData):
        paths, report = data.paths, _scan(data, class_names, seed, progress)
    else:
        paths = paths_of(data)
        whole = WholeScan(paths, class_names, seed)
        report = whole.read()
        if report is None:
            found = find_data(paths)
            report = _scan(found, class_names, seed, progress)
            whole.write(found.data_sets, report)
    _require_usable(paths, report, on_bad_data)
    report = replace(report, file=report_file)
    if progress:
        print(report.text)
    return DataSet(report.format, report.class_names, report.splits, report)


def _scan(
    found: FoundData, class_names: Sequence[str] | None, seed: int, progress: bool
) -> ScanReport:
    """Check every image and box, and split the images."""
    notes = [note for data_set in found.data_sets for note in _notes_of(data_set)]
    findings = [finding for data_set in found.data_sets for finding in data_set.findings]
    unused = {path: why for data_set in found.data_sets for path, why in data_set.unused.items()}
    cache = ScanCache(found.paths)
    checked = check_all(merge_data_sets(found.data_sets, notes), findings, cache, progress)
    cache.save()
    checked = remove_leaks(merge_repeats(checked, findings), notes, findings)
    checked = create_missing_splits(checked, seed, notes)
    names = class_names_of(found.data_sets, checked, class_names)
    splits = _records(checked, names, findings)
    formats = " + ".join(dict.fromkeys(data_set.format for data_set in found.data_sets))
    warnings = tuple(warnings_of(names, splits, checked))
    return ScanReport(formats, names, splits, tuple(findings), tuple(notes), warnings, unused)


def _notes_of(data_set: RawDataSet) -> list[str]:
    read = [f"read from {shorten(data_set.files)}"] if data_set.files else []
    guesses = (encoding_note(file, data_set.class_names or ()) for file in data_set.class_files)
    return [*read, *filter(None, guesses), *data_set.notes]


def _records(
    checked: dict[str, list[CheckedEntry]], names: Sequence[str], findings: list[Finding]
) -> dict[str, list[Record]]:
    labels = {name: label for label, name in enumerate(names)} | {n: n for n in range(len(names))}
    return {
        split: [make_record(item, labels, findings) for item in items]
        for split, items in checked.items()
    }


def _require_usable(paths: list[Path], report: ScanReport, on_bad_data: str) -> None:
    data = ", ".join(map(str, paths))
    findings = report.findings
    if findings and on_bad_data == "error":
        raise UserError(
            f"{describe_first(findings)}; fix it, or skip bad data (--on-bad-data skip)"
        )
    reason = describe_first(findings) if findings else "; ".join(report.notes)
    reason = f" ({reason})" if reason else ""
    if not any(report.splits.values()):
        raise UserError(f"{data}: no usable image{reason}")
    records = (record for items in report.splits.values() for record in items)
    if not any(len(record.labels) for record in records):
        raise UserError(f"{data}: no usable object in any image{reason}")
