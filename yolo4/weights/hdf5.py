"""Reads groups and arrays of HDF5 files that other people have written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.files.reading import reading, require_regular

# The largest kernel of YOLOv4 has 38 MB.
_MOST_BYTES = 1 << 30


@contextmanager
def open_hdf5(path: Path, expected: str) -> Iterator[h5py.File]:
    """Open a file; the block is within `reading`, and may raise any type for what is wrong.

    Args:
        path: the file.
        expected: what it should be, for the message.

    Raises:
        FileError: it cannot be opened, or the block raised an exception.
    """
    require_regular(path)
    with reading(path, expected), h5py.File(path) as file:
        yield file


def member_of(parent: h5py.Group, name: str) -> Any:
    """A group or an array of a file.

    Raises:
        KeyError: there is nothing of this name.
        TypeError: there is a link, which could lead to another file, or an array on the way.
    """
    member: Any = parent
    for part in filter(None, name.split("/")):
        if not isinstance(member, h5py.Group):
            raise TypeError(f"{name}: {member.name} is not a group")
        link = member.get(part, getlink=True)
        if link is None:
            raise KeyError(f"nothing is named {name}")
        if not isinstance(link, h5py.HardLink):
            raise TypeError(f"{name} is a link")
        member = member[part]
    return member


def group_in(parent: h5py.Group, name: str) -> h5py.Group:
    """A group of a file.

    Raises:
        KeyError: there is nothing of this name.
        TypeError: it is not a group.
    """
    if not isinstance(member := member_of(parent, name), h5py.Group):
        raise TypeError(f"{name} is not a group")
    return member


def array_in(parent: h5py.Group, name: str) -> np.ndarray:
    """An array of floats of a file.

    Raises:
        KeyError: there is nothing of this name.
        TypeError: it is not an array of floats.
        ValueError: the file does not hold its values, or too many.
    """
    member = member_of(parent, name)
    if not isinstance(member, h5py.Dataset) or not np.issubdtype(member.dtype, np.floating):
        raise TypeError(f"{name} is not an array of floats")
    if member.is_virtual or member.external:
        raise ValueError(f"the values of {name} are in another file")
    if member.nbytes > _MOST_BYTES:
        raise ValueError(f"{name} has the shape {member.shape}, too large for a network")
    is_packed = member.id.get_create_plist().get_nfilters() > 0
    if member.id.get_storage_size() < (min(1, member.nbytes) if is_packed else member.nbytes):
        raise ValueError(f"the values of {name} are missing")
    return member[()]
