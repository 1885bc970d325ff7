"""Downloads the weights that were released with YOLOv4, once."""

import hashlib
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from tqdm import tqdm

from utils.errors import UserError
from utils.files import MODEL_DATA

SOURCE = "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v3_optimal"

_SECONDS_OF_SILENCE = 60
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Release:
    """A released file.

    Attributes:
        file: its name.
        size: in bytes.
        sha256: in hexadecimal digits.
    """

    file: str
    size: int
    sha256: str


RELEASED = {
    "yolov4": Release(
        "yolov4.weights",
        257_717_640,
        "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
    ),
    "yolov4.conv.137": Release(
        "yolov4.conv.137",
        170_038_676,
        "11c5286cfbffabc9a3059927401ab3480e9483ceafd3265779a0dc26c769bed0",
    ),
}


def released_file(name: str) -> Path:
    """The file of a release in `model_data/`, downloaded where it is not there yet.

    What an interrupted download left there is gone on with. The file takes its name when its
    SHA-256 is right, and is checked again before each use.

    Args:
        name: a key of `RELEASED`.

    Raises:
        UserError: it cannot be downloaded, or its SHA-256 is wrong; says what to do by hand.
    """
    release = RELEASED[name]
    path = MODEL_DATA / release.file
    by_hand = f"get {SOURCE}/{release.file} by other means and put it at {path}"
    if path.is_file():
        if digest := _other_digest(path, release):
            raise UserError(
                f"{path}: its SHA-256 is {digest}, that of the release {release.sha256}; "
                f"remove it to download it anew, or {by_hand}"
            )
        return path
    # A name that .gitignore covers as it does the whole file's.
    partial = path.with_name(f"partial.{release.file}")
    _download(release, partial, by_hand)
    if digest := _other_digest(partial, release):
        partial.unlink()
        raise UserError(
            f"{SOURCE}/{release.file}: what came has the SHA-256 {digest}, not {release.sha256}, "
            f"and was thrown away; try again, or {by_hand}"
        )
    return partial.replace(path)


def _other_digest(path: Path, release: Release) -> str | None:
    """The SHA-256 of a file where it is not that of the release."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return None if digest == release.sha256 else digest


def _download(release: Release, partial: Path, by_hand: str) -> None:
    """Fetch what is missing; while a connection that breaks has brought something, try again."""
    there = _size(partial)
    with tqdm(
        desc=release.file, total=release.size, initial=there, unit="B", unit_scale=True
    ) as bar:
        while there < release.size:
            problem: Exception | str = "the connection ended early"
            try:
                partial.parent.mkdir(parents=True, exist_ok=True)
                _fetch_rest(release, partial, there, bar)
            except (OSError, HTTPException) as error:
                problem = error
            before, there = there, _size(partial)
            if there <= before:
                raise UserError(f"{SOURCE}/{release.file}: {problem}; try again, or {by_hand}")


def _fetch_rest(release: Release, partial: Path, start: int, bar: tqdm) -> None:
    """Fetch from a byte on, or all where the server knows no ranges.

    Raises:
        OSError: no connection, or not the file of the release.
        HTTPException: what came is not HTTP.
    """
    ranges = {"Range": f"bytes={start}-"} if start else {}
    request = Request(f"{SOURCE}/{release.file}", headers=ranges)
    with urlopen(request, timeout=_SECONDS_OF_SILENCE) as answer:
        goes_on = answer.status == 206
        size = answer.headers["Content-Length"]
        # A page that asks for a password, say, must not become part of the file.
        if size is None or int(size) != release.size - start * goes_on:
            offered = "an unknown number of" if size is None else size
            raise OSError(
                f"{offered} bytes are offered there, not {release.size - start * goes_on}"
            )
        with partial.open("ab" if goes_on else "wb") as file:
            bar.n = start if goes_on else 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
