"""Files of a study as bytes, which travel between machines that share no file system."""

import io
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from utils.files.writing import atomic_path

_STATE = "state.npz"
_TEXTS = {".json", ".csv", ".log"}

Rewrite = Callable[[str, bytes], bytes]
"""From the name and the content of a text file to the content that travels."""


def pack(root: Path, patterns: Sequence[str], rewrite: Rewrite | None = None) -> bytes:
    """Pack files and whole folders, without hidden files.

    A training may be writing to them. The states of trainings are read first: whatever is read
    later is at least as new, as if the training had been stopped at that moment.

    Args:
        root: the study's folder.
        patterns: of the files and folders below it.
        rewrite: changes the text files.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", strict_timestamps=False) as archive:
        for path in sorted(
            set(_files(root, patterns)), key=lambda path: (path.name != _STATE, path)
        ):
            name = path.relative_to(root).as_posix()
            with suppress(FileNotFoundError):  # the training has removed it
                if rewrite and path.suffix in _TEXTS:
                    archive.writestr(name, rewrite(name, path.read_bytes()))
                else:
                    archive.write(path, name)
    return buffer.getvalue()


def unpack(packed: bytes, root: Path, whole: str | None = None) -> None:
    """Write the files that `pack` has packed, states last.

    Args:
        packed: the result of `pack`.
        root: the study's folder.
        whole: a folder below it that shall have no other files; hidden ones stay.
    """
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        names = archive.namelist()
        for name in reversed(names):
            with (
                atomic_path(root / name) as temporary,
                archive.open(name) as source,
                temporary.open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
    if whole is not None:
        kept = {root / name for name in names}
        for path in set(_files(root, [whole])) - kept:
            path.unlink(missing_ok=True)


def _files(root: Path, patterns: Sequence[str]) -> Iterator[Path]:
    for pattern in patterns:
        for found in root.glob(pattern):
            for path in found.rglob("*") if found.is_dir() else [found]:
                hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
                if path.is_file() and not hidden:
                    yield path
