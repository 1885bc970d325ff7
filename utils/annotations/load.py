"""Loads data sets from disk into checked records."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from utils.annotations.check import CheckedEntry, check_entry
from utils.annotations.formats import read_data_sets
from utils.annotations.image_files import split_in_name
from utils.annotations.raw import Entry, Finding, Problem, RawDataSet
from utils.annotations.report import ScanReport, describe_first
from utils.annotations.scan_cache import ScanCache
from utils.annotations.split import (
    create_missing_splits,
    merge_data_sets,
    merge_repeats,
    remove_leaks,
)
from utils.errors import UserError
from utils.records import Record
from utils.text import require_distinct

_MAX_CLASS_NUMBER = 9_999


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


def load_dataset(
    data: str | Path | Sequence[str | Path],
    class_names: Sequence[str] | None = None,
    on_bad_data: Literal["skip", "error"] = "skip",
    seed: int = 0,
    progress: bool = True,
) -> DataSet:
    """Read data sets of any known format, check every image and box, and split them.

    Images and XML files that have not changed since the last scan are not read again.

    Args:
        data: folders or files of data sets; several are merged split by split. If there are several
            folders without splits, one named train, val or test is used as that split.
        class_names: the classes and their order. By default the format's own list, or all names
            that occur, sorted.
        on_bad_data: "skip" fixes or skips bad data and reports it; "error" raises an error.
        seed: determines the split if the data has none.
        progress: show a progress bar, then print the report.

    Returns:
        The data set. Existing splits are used. Without any, the data is split 80/10/10 percent; if
        only val is missing, it is a tenth of train.

    Raises:
        UserError: no data set of a known format; no usable image or object; with "error" any bad
            data: the message has the first problem and the number of problems.
    """
    paths = [Path(data)] if isinstance(data, str | Path) else [Path(path) for path in data]
    data_sets = _read_all(paths)
    notes = [note for data_set in data_sets for note in data_set.notes]
    findings = [finding for data_set in data_sets for finding in data_set.findings]
    cache = ScanCache(paths)
    checked = _check_all(merge_data_sets(data_sets, notes), findings, cache, progress)
    cache.save()
    checked = remove_leaks(merge_repeats(checked, findings), notes, findings)
    checked = create_missing_splits(checked, seed, notes)
    names = _class_names(data_sets, checked, class_names)
    labels = {name: label for label, name in enumerate(names)} | {n: n for n in range(len(names))}
    splits = {
        split: [_make_record(item, labels, findings) for item in items]
        for split, items in checked.items()
    }
    _require_usable(paths, splits, findings, on_bad_data)
    formats = " + ".join(dict.fromkeys(data_set.format for data_set in data_sets))
    report = ScanReport(formats, names, splits, tuple(findings), tuple(notes))
    if progress:
        print(report.text)
    return DataSet(formats, names, splits, report)


def _read_all(paths: list[Path]) -> list[RawDataSet]:
    data_sets = []
    for path in paths:
        at_path = read_data_sets(path)
        split = split_in_name(path.stem)
        if len(paths) > 1 and split is not None:
            for data_set in at_path:
                data_set.use_as(split)
        data_sets += at_path
    if not data_sets:
        raise UserError("no data set was named; expected at least one folder or file")
    return data_sets


def _check_all(
    splits: dict[str, list[Entry]], findings: list[Finding], cache: ScanCache, progress: bool
) -> dict[str, list[CheckedEntry]]:
    """Check each entry once and drop the skipped images; the order stays the same."""
    entries = list(dict.fromkeys(entry for items in splits.values() for entry in items))
    bar = tqdm(total=len(entries), desc="checking images", unit="image", disable=not progress)
    # Only decoding images runs in parallel; if all are cached, threads only slow each other down.
    decodes = not all(cache.has(entry.image) for entry in entries)
    pool = ThreadPoolExecutor(None if decodes else 1)
    results: dict[Entry, CheckedEntry] = {}
    try:
        for result in pool.map(partial(check_entry, cache=cache), entries):
            results[result.entry] = result
            bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
    findings += [finding for result in results.values() for finding in result.findings]
    return {
        split: [results[entry] for entry in items if not results[entry].is_skipped]
        for split, items in splits.items()
    }


def _class_names(
    data_sets: list[RawDataSet],
    splits: dict[str, list[CheckedEntry]],
    given: Sequence[str] | None,
) -> tuple[str, ...]:
    """The given classes, or those that the formats list, then all others that occur, sorted."""
    if given is not None:
        require_distinct(tuple(given), "class_names")
        return tuple(given)
    listed = [name for data_set in data_sets for name in data_set.class_names or ()]
    items = (item for checked in splits.values() for one in checked for item in one.objects)
    categories = {item.category for item in items}
    class_ids = {category for category in categories if isinstance(category, int)}
    names = {category for category in categories if isinstance(category, str)}
    if class_ids and (names or listed):
        raise UserError(
            "one data set names its classes, another numbers them; give the class names, or put a"
            " classes.txt beside the numbered one"
        )
    if class_ids and max(class_ids) > _MAX_CLASS_NUMBER:
        raise UserError(
            f"class number {max(class_ids)} occurs; expected at most {_MAX_CLASS_NUMBER} unless the"
            " class names are given"
        )
    if class_ids:
        return tuple(map(str, range(max(class_ids) + 1)))
    return tuple(dict.fromkeys([*listed, *sorted(names)]))


def _make_record(
    item: CheckedEntry, labels: dict[str | int, int], findings: list[Finding]
) -> Record:
    """Make the record of an image; objects of unknown classes become findings."""
    objects = [one for one in item.objects if one.category in labels]
    for one in item.objects:
        if one.category not in labels:
            names = [name for name in labels if isinstance(name, str)]
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            detail = f"{one.category!r} is not among the classes {shown}"
            findings.append(Finding(Problem.UNKNOWN_CLASS, item.entry.file, one.where, detail))
    return Record(
        image=item.entry.image,
        size=item.size,
        boxes=np.array([one.corners for one in objects], np.float32).reshape(-1, 4),
        labels=np.array([labels[one.category] for one in objects], np.int32),
        difficult=np.array([one.difficult for one in objects], bool),
    )


def _require_usable(
    paths: list[Path],
    splits: dict[str, list[Record]],
    findings: list[Finding],
    on_bad_data: str,
) -> None:
    data = ", ".join(map(str, paths))
    if findings and on_bad_data == "error":
        raise UserError(
            f"{describe_first(findings)}; fix it, or skip bad data (--on-bad-data skip)"
        )
    reason = f" ({describe_first(findings)})" if findings else ""
    if not any(splits.values()):
        raise UserError(f"{data}: no usable image{reason}")
    if not any(len(record.labels) for records in splits.values() for record in records):
        raise UserError(f"{data}: no usable object in any image{reason}")
