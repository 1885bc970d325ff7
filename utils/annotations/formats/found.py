"""Finds the data sets at paths, before any image is opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from utils.annotations.formats import read_data_sets
from utils.annotations.raw import RawDataSet
from utils.annotations.split_names import split_in_name, split_of_one_folder
from utils.errors import UserError
from utils.process.collector import collector_paused

DataPaths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class FoundData:
    """Data sets whose formats are known and whose images have not been checked.

    Attributes:
        paths: the folders or files that were named.
        data_sets: what they hold.
    """

    paths: list[Path]
    data_sets: list[RawDataSet]


@collector_paused()
def find_data(data: DataPaths) -> FoundData:
    """Recognize the formats of data sets, and match their annotations with images.

    Args:
        data: folders or files of data sets. If there are several folders without splits, one named
            train, val or test is used as that split.

    Raises:
        UserError: a path does not exist or has no known format, or a file that defines a data set
            is damaged.
    """
    paths = paths_of(data)
    data_sets = []
    for path in paths:
        at_path = read_data_sets(path)
        is_folder = path.is_dir()
        split = split_of_one_folder(path) if is_folder else split_in_name(path.stem)
        if len(paths) > 1 and split is not None:
            for data_set in at_path:
                data_set.use_as(split)
        data_sets += at_path
    if not data_sets:
        raise UserError("no data set was named; expected at least one folder or file")
    return FoundData(paths, data_sets)


def paths_of(data: DataPaths) -> list[Path]:
    """The paths that are named."""
    return [Path(data)] if isinstance(data, str | Path) else [Path(path) for path in data]
