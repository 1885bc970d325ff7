"""Files that show whether their bytes are those that were written, and what came before them.

The checksum is a last line of text behind the content: `sha256 <64 digits>`. HDF5 and ZIP (`.npz`)
files end where they say that they end, so their readers pass over it. A program that changes an
HDF5 file cuts the line off, which leaves a file without a checksum.
"""

import hashlib
import os
import re
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

from utils.errors import FileError
from utils.files.reading import open_regular
from utils.files.writing import atomic_path

_START = b"\nsha256 "
_LINE = re.compile(_START + rb"([0-9a-f]{64})\n")
_LINE_SIZE = len(_START) + 64 + 1
_CHUNK = 2**20
_HDF5 = b"\x89HDF\r\n\x1a\n"
_HDF5_END_AT = {0: 40, 1: 44, 2: 28, 3: 28}  # by the version of the superblock
_ZIP, _ZIP_END, _ZIP_END_SIZE = b"PK\x03\x04", b"PK\x05\x06", 22


def append_checksum(path: Path) -> None:
    """Append the SHA-256 of a file's bytes to the file."""
    with path.open("rb+") as file:
        digest = _sha256(file, path.stat().st_size)
        file.write(f"\nsha256 {digest}\n".encode())


def require_intact(path: Path) -> None:
    """Compare a file with its checksum. A file without one, as older versions wrote, passes.

    Raises:
        FileError: the file cannot be read, or has changed since it was written.
    """
    with open_regular(path) as file:
        end = os.fstat(file.fileno()).st_size
        file.seek(max(0, end - 2 * _LINE_SIZE))
        # The line may be damaged itself: too short, too long, illegible.
        tail = file.read()
        start = tail.rfind(_START)
        if start < 0 and _ends_by_itself(file, end):
            return
        line = _LINE.fullmatch(tail[start:]) if start >= 0 else None
        size = end - len(tail) + start
        file.seek(0)
        if line is None or _sha256(file, size) != line[1].decode():
            raise FileError(
                path,
                "damaged: its bytes are not those that were written, by its SHA-256; expected an "
                "undamaged copy",
            )


def _ends_by_itself(file: BinaryIO, size: int) -> bool:
    """Whether nothing follows an HDF5 or ZIP file, such as what damage left of a checksum.

    The superblock of HDF5 has the address of the end, and a ZIP file ends with the 22 bytes of its
    end record and a comment. A file of another format has no checksum to be damaged.
    """
    file.seek(0)
    head = file.read(64)
    if head.startswith(_HDF5) and len(head) == 64 and head[8] in _HDF5_END_AT:
        return size <= struct.unpack_from("<Q", head, _HDF5_END_AT[head[8]])[0]
    if head.startswith(_ZIP):
        file.seek(max(0, size - _CHUNK))
        tail = file.read()
        start = tail.rfind(_ZIP_END)
        if 0 <= start <= len(tail) - _ZIP_END_SIZE:
            (comment,) = struct.unpack_from("<H", tail, start + _ZIP_END_SIZE - 2)
            return start + _ZIP_END_SIZE + comment == len(tail)
    return True


def _sha256(file: BinaryIO, size: int) -> str:
    """The digest of the next bytes of a file."""
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(size, _CHUNK))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()


def previous_path(path: Path) -> Path:
    """Where `keep_previous` keeps a file: `state.previous.npz` beside `state.npz`."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def keep_previous(path: Path) -> None:
    """Keep a file that is about to be replaced. It stays where it is, and takes no more space."""
    with atomic_path(previous_path(path)) as temporary:
        temporary.unlink(missing_ok=True)
        try:
            os.link(path, temporary)
        except OSError:  # no hard links, as on FAT
            shutil.copyfile(path, temporary)
