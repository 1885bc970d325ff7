"""What lies in the folder of a data set without being a part of it."""

import os
from collections.abc import Iterator
from pathlib import Path

from utils.annotations.image_files import files_below
from utils.annotations.raw import RawDataSet
from utils.image import is_image_name

# Files that hold annotations in some format. Text files may be anything.
_ANNOTATION_SUFFIXES = (".json", ".xml", ".csv")


def note_unused(root: Path, data_sets: list[RawDataSet]) -> None:
    """Add annotation files and images below a folder that are in no data set to the first one."""
    used = {_absolute(path) for data_set in data_sets for path in _files_of(data_set)}
    for path in files_below(root):
        is_known = path.suffix.lower() in _ANNOTATION_SUFFIXES or is_image_name(path.name)
        if is_known and _absolute(path) not in used:
            data_sets[0].unused[path] = "not part of the data set"


def _files_of(data_set: RawDataSet) -> Iterator[Path]:
    yield from data_set.files
    yield from data_set.unused
    yield from (finding.file for finding in data_set.findings)
    for entries in data_set.splits.values():
        for entry in entries:
            yield from (entry.file, entry.image)


def _absolute(path: Path) -> str:
    """The path from the root, without "..", and with links as they are: resolving them is slow."""
    return os.path.normpath(path.absolute())
