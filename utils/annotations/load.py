"""From a data set on disk to checked records."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from utils.annotations.check import Checked, check
from utils.annotations.detect import read_sources
from utils.annotations.report import ScanReport, describe_first
from utils.annotations.scan_cache import KnownFiles
from utils.annotations.source import Entry, Kind, Problem, Source, split_in_name
from utils.annotations.split import complete, join_repeats, merge, remove_leaks
from utils.errors import UserError
from utils.records import Record
from utils.text import require_distinct

_MOST_NUMBERED_CLASSES = 10_000


@dataclass(frozen=True)
class DataSet:
    """A checked data set.

    Attributes:
        format: the format in human words.
        class_names: what the labels of the records index.
        splits: records under "train", "val" and "test"; a split that is empty is left out.
        report: what the scan found.
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

    Images and XML files that have not changed since they were last read are not read again.

    Args:
        data: folders or files of data sets; several are joined split by split. Of several folders
            without splits, one named train, val or test is that split.
        class_names: the classes and their order. By default the format's own list, or all names
            that occur, sorted.
        on_bad_data: "skip" mends or sets aside what is wrong, and the report tells; "error" raises
            at the first.
        seed: decides on the split where the data has none.
        progress: show a progress bar, then print the report.

    Returns:
        The data set. The splits that exist are used; where there are none, 80/10/10 percent; where
        val alone is missing, a tenth of train.

    Raises:
        UserError: no data set of a known format; no usable image or object; with "error" any bad
            data, naming the first and the count.
    """
    paths = [Path(data)] if isinstance(data, str | Path) else [Path(path) for path in data]
    sources = _read_all(paths)
    notes = [note for source in sources for note in source.notes]
    problems = [problem for source in sources for problem in source.problems]
    known = KnownFiles(paths)
    checked = _check_all(merge(sources, notes), problems, known, progress)
    known.save()
    checked = remove_leaks(join_repeats(checked, problems), notes, problems)
    checked = complete(checked, seed, notes)
    names = _class_names(sources, checked, class_names)
    labels = {name: label for label, name in enumerate(names)} | {n: n for n in range(len(names))}
    splits = {
        split: [_record(item, labels, problems) for item in items]
        for split, items in checked.items()
    }
    _require_usable(paths, splits, problems, on_bad_data)
    formats = " + ".join(dict.fromkeys(source.format for source in sources))
    report = ScanReport(formats, names, splits, tuple(problems), tuple(notes))
    if progress:
        print(report.text)
    return DataSet(formats, names, splits, report)


def _read_all(paths: list[Path]) -> list[Source]:
    sources = []
    for path in paths:
        found = read_sources(path)
        split = split_in_name(path.stem)
        if len(paths) > 1 and split is not None:
            for source in found:
                source.take_for(split)
        sources += found
    if not sources:
        raise UserError("no data set was named")
    return sources


def _check_all(
    splits: dict[str, list[Entry]], problems: list[Problem], known: KnownFiles, progress: bool
) -> dict[str, list[Checked]]:
    """Check each entry once, the order kept; images set aside are left out."""
    entries = list(dict.fromkeys(entry for items in splits.values() for entry in items))
    bar = tqdm(total=len(entries), desc="checking images", unit="image", disable=not progress)
    # Only decoding an image runs beside other threads; of known ones they would be in the way.
    decodes = not all(known.holds(entry.image) for entry in entries)
    pool = ThreadPoolExecutor(None if decodes else 1)
    results: dict[Entry, Checked] = {}
    try:
        for result in pool.map(partial(check, known=known), entries):
            results[result.entry] = result
            bar.update()
    finally:
        pool.shutdown(cancel_futures=True)
        bar.close()
    problems += [problem for result in results.values() for problem in result.problems]
    return {
        split: [results[entry] for entry in items if results[entry].size is not None]
        for split, items in splits.items()
    }


def _class_names(
    sources: list[Source], splits: dict[str, list[Checked]], given: Sequence[str] | None
) -> tuple[str, ...]:
    """The classes: those given, or the formats' own and then, sorted, all others that occur."""
    if given is not None:
        require_distinct(tuple(given), "class_names")
        return tuple(given)
    own = [name for source in sources for name in source.class_names or ()]
    items = (item for checked in splits.values() for one in checked for item in one.objects)
    occurring = {item.category for item in items}
    numbers = {category for category in occurring if isinstance(category, int)}
    names = occurring - numbers
    if numbers and (names or own):
        raise UserError(
            "one data set names its classes, another numbers them: give the class names, or put a"
            " classes.txt beside the numbered one"
        )
    if numbers and max(numbers) >= _MOST_NUMBERED_CLASSES:
        raise UserError(f"class number {max(numbers)} occurs: mend it, or give the class names")
    if numbers:
        return tuple(map(str, range(max(numbers) + 1)))
    return tuple(dict.fromkeys([*own, *sorted(names)]))


def _record(item: Checked, labels: dict[str | int, int], problems: list[Problem]) -> Record:
    """Make the record of an image; objects of unknown classes become problems."""
    known = [one for one in item.objects if one.category in labels]
    for one in item.objects:
        if one.category not in labels:
            names = _some(name for name in labels if isinstance(name, str))
            detail = f"{one.category!r} is not among the classes {names}"
            problems.append(Problem(Kind.UNKNOWN_CLASS, item.entry.file, one.where, detail))
    return Record(
        image=item.entry.image,
        size=item.size,
        boxes=np.array([one.corners for one in known], np.float32).reshape(-1, 4),
        labels=np.array([labels[one.category] for one in known], np.int32),
        difficult=np.array([one.difficult for one in known], bool),
    )


def _some(names: Iterable[str]) -> str:
    names = list(names)
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _require_usable(
    paths: list[Path],
    splits: dict[str, list[Record]],
    problems: list[Problem],
    on_bad_data: str,
) -> None:
    shown = ", ".join(map(str, paths))
    first = f" ({describe_first(problems)})" if problems else ""
    if problems and on_bad_data == "error":
        raise UserError(
            f"{describe_first(problems)}. Mend it, or have bad data set aside (on-bad-data skip)"
        )
    if not any(splits.values()):
        raise UserError(f"{shown}: no usable image{first}")
    if not any(len(record.labels) for records in splits.values() for record in records):
        raise UserError(f"{shown}: no usable object in any image{first}")
