"""Numbers the classes, and makes the records of the images."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np

from utils.annotations.check import CheckedEntry
from utils.annotations.raw import Finding, Problem, RawDataSet
from utils.errors import UserError
from utils.printable import brief
from utils.records import Record
from utils.text import require_names

_MAX_CLASS_NUMBER = 9_999


def class_names_of(
    data_sets: list[RawDataSet],
    splits: dict[str, list[CheckedEntry]],
    given: Sequence[str] | None,
) -> tuple[str, ...]:
    """The given classes, or those that the formats list, then all others that occur, sorted."""
    if given is not None:
        require_names(tuple(given), "class_names")
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
    all_names = tuple(dict.fromkeys([*listed, *sorted(names)]))
    require_names(all_names, "the data")
    return all_names


def make_record(
    item: CheckedEntry, labels: Mapping[str | int, int], findings: list[Finding]
) -> Record:
    """Make the record of an image; objects of unknown classes become findings."""
    objects = [one for one in item.objects if one.category in labels]
    if len(objects) < len(item.objects):
        _report_unknown(item, labels, findings)
    return Record(
        image=item.entry.image,
        size=item.size,
        boxes=np.array([one.corners for one in objects], np.float32).reshape(-1, 4),
        labels=np.array([labels[one.category] for one in objects], np.int32),
        difficult=np.array([one.difficult for one in objects], bool),
        digest=item.digest,
    )


def _report_unknown(
    item: CheckedEntry, labels: Mapping[str | int, int], findings: list[Finding]
) -> None:
    for one in item.objects:
        if one.category not in labels:
            names = [*islice((name for name in labels if isinstance(name, str)), 6)]
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            detail = f"{brief(one.category)} is not among the classes {shown}"
            findings.append(Finding(Problem.UNKNOWN_CLASS, item.entry.file, one.where, detail))
