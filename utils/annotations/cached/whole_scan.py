"""The result of a whole scan, for the next start if no file of the data set has changed.

The files are listed and their sizes and times compared, but none is opened, no box is checked and
no image is matched with its annotation. That takes a quarter of the time of a scan whose files are
all in the `ScanCache`.
"""

import base64
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from utils.annotations.cached.cache_file import (
    cache_folder,
    name_of,
    newest_cacheable,
    read_kept,
    stamp_of,
    write_kept,
)
from utils.annotations.raw import Finding, Problem, RawDataSet
from utils.annotations.report.scan_report import ScanReport
from utils.errors import FileError
from utils.files.folders import paths_below
from utils.files.reading import reading
from utils.records import CompactRecords, Record

# What a scan says of these may be another thing the next time, though no file below has changed.
_UNSETTLED = {Problem.MISSING_IMAGE, Problem.BAD_IMAGE, Problem.BAD_ANNOTATION}


class WholeScan:
    """Keeps the report of a scan in the user's cache folder, with the state of all files.

    Only for data sets in folders, with all that they name below them.

    Args:
        data: the paths of the data set.
        class_names: the classes that were given, if any.
        seed: that of the split.
    """

    def __init__(self, data: Sequence[Path], class_names: Sequence[str] | None, seed: int) -> None:
        self._folders = list(data) if all(path.is_dir() for path in data) else []
        names = None if class_names is None else list(class_names)
        settings = [*map(str, data), str(Path.cwd()), names, seed]
        self._file = cache_folder() / f"{name_of(repr(settings))}.scan.json"
        settled_before = newest_cacheable()
        digest, newest = _state_of(self._folders)
        self._is_settled = newest < settled_before
        self._state = [settings, digest]

    def read(self) -> ScanReport | None:
        """The report of an earlier scan of these files; None if there is none."""
        if not self._folders:
            return None
        with suppress(FileError):
            content = read_kept(self._file, self._state)
            with reading(self._file, "what a scan has found"):
                return _unpack(content)
        return None

    def write(self, data_sets: Iterable[RawDataSet], report: ScanReport) -> None:
        """Keep the report of a scan if nothing but these files can change it.

        Args:
            data_sets: what was scanned.
            report: what came out.
        """
        is_unsettled = any(finding.problem in _UNSETTLED for finding in report.findings)
        if is_unsettled or not self._folders or not self._is_settled:
            return
        if all(data_set.is_complete and self._holds(data_set) for data_set in data_sets):
            write_kept(self._file, self._state, _pack(report))

    def _holds(self, data_set: RawDataSet) -> bool:
        """Whether all files of a data set are among those whose state is compared."""
        starts = tuple(str(folder / "_")[:-1] for folder in self._folders)
        return all(_is_below(str(path), starts) for path in _files_of(data_set))


def _state_of(folders: Iterable[Path]) -> tuple[str, int]:
    """A hash of the paths, sizes and times of all files below folders; the time of the newest."""
    stamps = {path: stamp_of(path) for path in chain.from_iterable(map(paths_below, folders))}
    lines = "\n".join(f"{path}\0{stamp}" for path, stamp in sorted(stamps.items()))
    newest = max((max(stamp[1:]) for stamp in stamps.values() if stamp), default=0)
    return blake2b(os.fsencode(lines), digest_size=16).hexdigest(), newest


def _files_of(data_set: RawDataSet) -> Iterator[Path]:
    yield from data_set.files
    yield from data_set.class_files
    for entries in data_set.splits.values():
        for entry in entries:
            yield entry.image
            yield entry.file


def _is_below(path: str, starts: Iterable[str]) -> bool:
    """Whether a path begins with that of a folder, and nothing behind it is hidden or ".."."""
    for start in starts:
        rest = f"{os.sep}{path.removeprefix(start)}"
        if path.startswith(start) and f"{os.sep}." not in rest and not rest.startswith(os.sep * 2):
            return True
    return False


def _pack(report: ScanReport) -> dict[str, Any]:
    """The report in values of JSON, without its file."""
    return {
        "format": report.format,
        "class_names": report.class_names,
        "splits": {split: _pack_records(items) for split, items in report.splits.items()},
        "findings": [
            [item.problem.name, str(item.file), item.where, item.detail] for item in report.findings
        ],
        "notes": report.notes,
        "warnings": report.warnings,
        "unused": {str(path): why for path, why in report.unused.items()},
    }


def _unpack(content: dict[str, Any]) -> ScanReport:
    return ScanReport(
        content["format"],
        tuple(content["class_names"]),
        {split: _unpack_records(packed) for split, packed in content["splits"].items()},
        tuple(
            Finding(Problem[name], Path(file), where, detail)
            for name, file, where, detail in content["findings"]
        ),
        tuple(content["notes"]),
        tuple(content["warnings"]),
        {Path(path): why for path, why in content["unused"].items()},
    )


def _pack_records(records: Sequence[Record]) -> dict[str, Any]:
    compact = CompactRecords.of(records)
    return {
        "images": compact.images,
        "sizes": compact.sizes,
        "digests": [digest.hex() for digest in compact.digests],
        "ends": compact.ends.tolist(),
        "boxes": _text_of(compact.boxes.astype("<f4")),
        "labels": _text_of(compact.labels.astype("<i4")),
        "difficult": _text_of(compact.difficult),
    }


def _unpack_records(packed: dict[str, Any]) -> list[Record]:
    compact = CompactRecords(
        packed["images"],
        [(width, height) for width, height in packed["sizes"]],
        [bytes.fromhex(digest) for digest in packed["digests"]],
        np.array(packed["ends"], np.int64),
        _array_of(packed["boxes"], "<f4").reshape(-1, 4),
        _array_of(packed["labels"], "<i4"),
        _array_of(packed["difficult"], "?"),
    )
    return [compact[number] for number in range(len(compact))]


def _text_of(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")


def _array_of(text: str, kind: str) -> np.ndarray:
    """The array, which may be written to."""
    return np.frombuffer(bytearray(base64.b64decode(text, validate=True)), kind)
