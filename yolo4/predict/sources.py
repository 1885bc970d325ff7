"""What to look at: image files, folders, glob patterns, videos, webcams and streams."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from PIL import Image

from utils.errors import UserError
from utils.image import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".flv", ".ts"}
    | {".mts", ".m2ts", ".3gp", ".ogv"}
)

_MAGIC = re.compile(r"[*?\[]")


class Kind(Enum):
    """What a source is; a live one has no end: a webcam or a stream."""

    IMAGE = "image"
    VIDEO = "video"
    LIVE = "live"


@dataclass(frozen=True)
class Source:
    """One image file, video file, webcam or stream.

    No two sources share a place. All places are relative to the output folder.

    Attributes:
        name: as the person wrote it, or the path of a file found in a folder.
        kind: image, video or live.
        place: where the annotated image or video goes.
        heat_place: where the heat map goes.
        crop_folder: where the crops go.
    """

    name: str
    kind: Kind
    place: Path
    heat_place: Path
    crop_folder: Path


def find_sources(arguments: Iterable[str | Path], output: Path) -> list[Source]:
    """Find out what each argument means.

    Args:
        arguments: files, folders (searched to any depth for images and videos), glob patterns,
            webcam numbers, stream addresses.
        output: the folder for the output; what lies in it is not looked for.

    Returns:
        The sources in the order given, each file once.

    Raises:
        UserError: there is no such file, a folder or pattern holds nothing, or the output would
            overwrite a source.
    """
    found: dict[str | Path, tuple[str, Kind, Path]] = {}
    for argument in map(str, arguments):
        for name, kind, place in _expand(argument, output):
            found.setdefault(
                name if kind is Kind.LIVE else Path(name).resolve(), (name, kind, place)
            )
    taken: set[str] = set()
    places = [_claim(_writable(place, kind), taken) for _, kind, place in found.values()]
    for place in places:
        if (output / place).resolve() in found:
            raise UserError(
                f"--output {output}: would overwrite the source {output / place}; "
                "name another folder"
            )
    return [
        Source(
            name,
            kind,
            place,
            _claim(place.with_name(f"{place.stem}_heatmap{place.suffix}"), taken),
            _claim(place.with_name(f"{place.stem}_crops"), taken),
        )
        for (name, kind, _), place in zip(found.values(), places, strict=True)
    ]


def _claim(place: Path, taken: set[str]) -> Path:
    """`place`, or the same with a number where that is taken; what is returned is then taken."""
    chosen, number = place, 1
    while os.path.normcase(chosen) in taken:
        number += 1
        chosen = place.with_name(f"{place.stem}-{number}{place.suffix}")
    taken.add(os.path.normcase(chosen))
    return chosen


def _writable(place: Path, kind: Kind) -> Path:
    """The same name where images of its suffix can be written, else with .png after it."""
    known = Image.registered_extensions().get(place.suffix.lower()) in Image.SAVE
    return place if known or kind is not Kind.IMAGE else place.with_name(place.name + ".png")


def _expand(argument: str, output: Path) -> Iterator[tuple[str, Kind, Path]]:
    """Name, kind and wished-for place of every source that an argument stands for."""
    path = Path(argument)
    if path.is_dir():
        files = _in_folder(path, output)
        if not files:
            raise UserError(f"{argument}: no image or video in this folder")
        yield from ((str(file), _kind(file), file.relative_to(path)) for file in files)
    elif path.exists():
        yield argument, _kind(path), Path(path.name)
    elif argument.isdecimal():
        yield argument, Kind.LIVE, Path(f"webcam_{argument}.mp4")
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", argument):
        words = re.sub(r"\W+", "_", argument.split("://", 1)[1].split("@")[-1]).strip("_")
        yield argument, Kind.LIVE, Path(f"{words[:80] or 'stream'}.mp4")
    elif _MAGIC.search(argument):
        yield from _matches(argument, output)
    else:
        raise UserError(f"{argument}: no such file or folder")


def _matches(pattern: str, output: Path) -> Iterator[tuple[str, Kind, Path]]:
    """The files that a pattern names and those in the folders it names."""
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if _MAGIC.search(part))
    root = Path(*parts[:fixed])
    # Python 3.13 would read such a part as "*", and older versions raise a ValueError.
    if any("**" in part and part != "**" for part in parts):
        raise UserError(
            f'{pattern}: "**" stands for folders at any depth and must be a whole part of the '
            'path, as in "folder/**/*.jpg"'
        )
    matches = sorted(root.glob("/".join(parts[fixed:])))
    files: dict[Path, None] = {}
    shown = [m for m in matches if not any(p[0] == "." for p in m.relative_to(root).parts)]
    for match in shown:
        inside = _in_folder(match, output) if match.is_dir() else [match]
        files.update(dict.fromkeys(file for file in inside if _is_wanted(file)))
    if not files:
        raise UserError(f"{pattern}: matches no image or video")
    yield from ((str(file), _kind(file), file.relative_to(root)) for file in files)


def _in_folder(folder: Path, output: Path) -> list[Path]:
    """Images and videos below the folder, sorted, without hidden ones and those of the output."""
    files = []
    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != output.resolve()
        )
        files += [here / name for name in names if _is_wanted(here / name)]
    return sorted(files)


def _is_wanted(file: Path) -> bool:
    known = file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES
    return known and not file.name.startswith(".")


def _kind(file: Path) -> Kind:
    return Kind.VIDEO if file.suffix.lower() in VIDEO_SUFFIXES else Kind.IMAGE
