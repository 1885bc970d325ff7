"""What lies in the folder of a data set without being a part of it."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from utils.annotations.formats.seen import head_of
from utils.annotations.raw import RawDataSet
from utils.files.folders import in_order, paths_below
from utils.image import is_image_name

_ANNOTATION_SUFFIXES = (".json", ".xml", ".csv")
_ANNOTATION_WORDS = re.compile(
    "bbox|bndbox|xmin|annotation|shapes|regions|polygon|coordinates", re.IGNORECASE
)


def note_unused(root: Path, data_sets: list[RawDataSet]) -> None:
    """Tell the first data set of images, and of what looks like annotations, that are in none."""
    files = list(itertools.chain(*map(_files_of, data_sets)))
    as_found = set(map(str, files))
    others = [
        path
        for path in in_order(Path(path) for path in paths_below(root) if path not in as_found)
        if is_image_name(path.name) or _has_annotations(path)
    ]
    used = {_absolute(path) for path in files} if others else set()
    for path in others:
        if _absolute(path) not in used:
            data_sets[0].unused[path] = "not part of the data set"


def _has_annotations(path: Path) -> bool:
    """Whether a file looks like annotations in some format."""
    return path.suffix.lower() in _ANNOTATION_SUFFIXES and bool(
        _ANNOTATION_WORDS.search(head_of(path))
    )


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
