"""Reads groups and arrays of HDF5 files that other people have written."""

import mmap
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from utils.files.reading import reading, require_regular

# The largest kernel of YOLOv4 has 38 MB.
_MOST_BYTES = 1 << 30

# A collection of the global heap, which holds texts of variable length: 16 bytes of a head with its
# size, then its objects. Each has a head of 16 bytes, and its content is aligned to 8. An object
# with the index 0 is free space, whose size includes its head. (HDF5 File Format Specification 3.0,
# III.E)
_HEAP = re.compile(rb"GCOL\x01\0\0\0")
_HEAP_HEAD = _OBJECT_HEAD = 16
_LEAST_HEAP = 4096


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
    with reading(path, expected):
        _require_sound_heap(path)
        with h5py.File(path) as file:
            yield file


def _require_sound_heap(path: Path) -> None:
    """Refuse free space without a size in a heap of texts: HDF5 would loop there for good.

    Raises:
        ValueError: there is some.
    """
    if not path.stat().st_size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _HEAP.finditer(content):
            start = match.start()
            head = content[start + 8 : start + _HEAP_HEAD]
            size = int.from_bytes(head, "little")
            if size < _LEAST_HEAP or start + size > len(content):
                continue  # data that looks like one, or HDF5 refuses it
            if _has_endless_object(content[start + _HEAP_HEAD : start + size]):
                raise ValueError("free space without a size in its heap of texts")


def _has_endless_object(objects: bytes) -> bool:
    place = 0
    while place + _OBJECT_HEAD <= len(objects):
        index, size = struct.unpack_from("<H6xQ", objects, place)
        if index == size == 0:
            return True
        place += size if index == 0 else _OBJECT_HEAD + -(-size // 8) * 8
    return False


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
