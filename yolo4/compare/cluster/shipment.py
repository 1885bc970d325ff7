"""The data set and the other files that the settings name, sent to each machine once."""

import dataclasses
import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from utils.annotations import find_data
from utils.errors import UserError
from utils.files.lock import locked
from yolo4.compare.arms import Arm
from yolo4.config import Config

if TYPE_CHECKING:
    import ray

_PIECE = 1 << 26  # bytes of an object in Ray's memory
_WAIT = 3600.0  # seconds, while another run's process unpacks
_COMPLETE = ".complete"
_FILES = ("weights", "classes", "anchors")


@dataclasses.dataclass(frozen=True)
class Shipment:
    """Files that lie in a folder of the same name below the working folder of each run.

    Attributes:
        name: of the folder; it depends on the bytes of the files.
        places: by path on the machine of the command, as its settings name it, the path in the
            folder.
    """

    name: str
    places: dict[str, str]

    def moved(self, path: str) -> str | None:
        """Where a file or folder is in a run's working folder; None if it was not sent."""
        wanted = Path(path).absolute()
        for original, place in self.places.items():
            start = Path(original).absolute()
            if wanted.is_relative_to(start):
                return Path(self.name, place, wanted.relative_to(start)).as_posix()
        return None

    def argument(self, value: Any) -> Any:
        """An argument of a job, with the paths that a run uses."""
        if isinstance(value, Config):
            return dataclasses.replace(value, **self._paths(dataclasses.asdict(value)))
        if isinstance(value, Arm):
            own = dict(value.overrides)
            return dataclasses.replace(value, overrides=own | self._paths(own))
        return value

    def rewrite(self, name: str, content: bytes) -> bytes:
        """The content of a study's file, with the paths that a run uses."""
        if not name.endswith(".json"):
            return content
        stored: Any = json.loads(content)
        if name.endswith("/config.json"):
            stored |= self._paths(stored)
        elif isinstance(stored, dict) and {"images", "val"} <= stored.keys():
            for image in (*stored["images"], *stored["val"]):
                image["image"] = self.moved(image["image"]) or image["image"]
        else:
            return content
        return json.dumps(stored, ensure_ascii=False).encode("utf-8", "backslashreplace")

    def _paths(self, settings: dict[str, Any]) -> dict[str, Any]:
        found = {
            name: self.moved(settings[name]) or settings[name]
            for name in _FILES
            if isinstance(settings.get(name), str)
        }
        if "data" in settings:
            found["data"] = tuple(self.moved(path) or path for path in settings["data"])
        return found


def ship(shared: Config, arms: Sequence[Arm]) -> "tuple[Shipment, list[ray.ObjectRef]]":
    """Put the files that the settings name into Ray's memory.

    Args:
        shared: the settings of all runs. A folder of data is sent as it is; of a file, the folder
            that it is in.
        arms: whose settings may name further files.

    Returns:
        What was sent, and its pieces.

    Raises:
        UserError: an image of the data set is outside the folders.
    """
    folders = [path if Path(path).is_dir() else str(Path(path).parent) for path in shared.data]
    named = [settings.get(name) for settings in _all_settings(shared, arms) for name in _FILES]
    files = [path for path in named if isinstance(path, str) and Path(path).exists()]
    originals = list(dict.fromkeys([*folders, *files]))
    places = {
        path: f"{number}/{Path(path).resolve().name}" for number, path in enumerate(originals)
    }
    _require_all_images(shared, Shipment("", places))
    pieces = _Pieces()
    with tarfile.open(fileobj=pieces, mode="w|", dereference=True) as archive:
        for path, place in places.items():
            archive.add(path, arcname=place)
    return Shipment(f"shipped-{pieces.finish()}", places), pieces.references


def _all_settings(shared: Config, arms: Sequence[Arm]) -> Iterator[dict[str, Any]]:
    yield dataclasses.asdict(shared)
    for arm in arms:
        yield dict(arm.overrides)


def _require_all_images(shared: Config, shipment: Shipment) -> None:
    for data_set in find_data(shared.data).data_sets:
        for entry in (entry for entries in data_set.splits.values() for entry in entries):
            if shipment.moved(str(entry.image)) is None:
                raise UserError(
                    f"--ship-data: {entry.image} is outside of {', '.join(shared.data)}; move it "
                    "there, or name the folder of all images"
                )


class _Pieces(io.RawIOBase):
    """A file whose bytes become objects in Ray's memory."""

    def __init__(self) -> None:
        super().__init__()
        self.references: list[ray.ObjectRef] = []
        self._buffer = bytearray()
        self._hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self._hash.update(data)
        self._buffer += data
        if len(self._buffer) >= _PIECE:
            self._put()
        return len(data)

    def finish(self) -> str:
        """Put the rest, and return a hash of everything."""
        self._put()
        return self._hash.hexdigest()[:16]

    def _put(self) -> None:
        import ray

        self.references.append(ray.put(bytes(self._buffer)))
        self._buffer.clear()


class _Joined(io.RawIOBase):
    """The bytes of pieces, one after another, as a file."""

    def __init__(self, pieces: "Sequence[ray.ObjectRef]") -> None:
        super().__init__()
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        import ray

        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(ray.get(piece))
        count = min(len(target), len(self._rest))
        target[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def receive(shipment: Shipment, pieces: "Sequence[ray.ObjectRef]") -> Path:
    """Unpack what was sent, unless this machine has it already.

    Returns:
        The folder, in this user's part of the folder for temporary files.

    Raises:
        UserError: the folder cannot be written, or belongs to another user.
    """
    user = getattr(os, "getuid", int)()
    root = Path(tempfile.gettempdir()) / f"yolov4-{user}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.is_symlink() or root.stat().st_uid != user:
        raise UserError(f"{root}: belongs to another user; set TMPDIR to another folder")
    folder = root / shipment.name
    with locked(folder, wait=_WAIT):
        if not (folder / _COMPLETE).exists():
            with tarfile.open(fileobj=io.BufferedReader(_Joined(pieces)), mode="r|") as archive:
                archive.extractall(folder, filter="data")
            (folder / _COMPLETE).touch()
    return folder
