"""Finds what to detect in: image files, folders, glob patterns, videos, webcams and streams."""

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


class SourceKind(Enum):
    """The kind of a source. A live one, a webcam or a stream, has no end."""

    IMAGE = "image"
    VIDEO = "video"
    LIVE = "live"


@dataclass(frozen=True)
class Source:
    """One image file, video file, webcam or stream.

    The paths are relative to the output folder. No two sources share one.

    Attributes:
        name: as the person wrote it, or the path of a file found in a folder.
        kind: image, video or live.
        path: of the annotated image or video.
        heat_path: of the heat map.
        crop_folder: of the crops.
    """

    name: str
    kind: SourceKind
    path: Path
    heat_path: Path
    crop_folder: Path


def find_sources(arguments: Iterable[str | Path], output: Path) -> list[Source]:
    """The sources that the arguments name.

    Args:
        arguments: files, folders (searched to any depth for images and videos), glob patterns,
            webcam numbers, stream addresses.
        output: the folder for the output; files in it are not sources.

    Returns:
        The sources in the order of the arguments, each file once.

    Raises:
        UserError: there is no such file, a folder or pattern has no image or video, or the output
            would overwrite a source.
    """
    found: dict[str | Path, tuple[str, SourceKind, Path]] = {}
    for argument in map(str, arguments):
        for name, kind, path in _expand(argument, output):
            key = name if kind is SourceKind.LIVE else Path(name).resolve()
            found.setdefault(key, (name, kind, path))
    taken: set[str] = set()
    paths = [_claim(_writable(path, kind), taken) for _, kind, path in found.values()]
    for path in paths:
        if (output / path).resolve() in found:
            raise UserError(
                f"--output {output}: would overwrite the source {output / path}; "
                "name another folder"
            )
    return [
        Source(
            name,
            kind,
            path,
            _claim(path.with_name(f"{path.stem}_heatmap{path.suffix}"), taken),
            _claim(path.with_name(f"{path.stem}_crops"), taken),
        )
        for (name, kind, _), path in zip(found.values(), paths, strict=True)
    ]


def _claim(path: Path, taken: set[str]) -> Path:
    """Add `path` to `taken`, with a number after its stem if it is taken already; return it."""
    chosen, number = path, 1
    while os.path.normcase(chosen) in taken:
        number += 1
        chosen = path.with_name(f"{path.stem}-{number}{path.suffix}")
    taken.add(os.path.normcase(chosen))
    return chosen


def _writable(path: Path, kind: SourceKind) -> Path:
    """The same path, with .png after it if images of its suffix cannot be written."""
    known = Image.registered_extensions().get(path.suffix.lower()) in Image.SAVE
    return path if known or kind is not SourceKind.IMAGE else path.with_name(path.name + ".png")


def _expand(argument: str, output: Path) -> Iterator[tuple[str, SourceKind, Path]]:
    """Name, kind and preferred output path of every source that an argument names."""
    path = Path(argument)
    if path.is_dir():
        files = _in_folder(path, output)
        if not files:
            raise UserError(f"{argument}: no image or video in this folder")
        yield from ((str(file), _kind_of(file), file.relative_to(path)) for file in files)
    elif path.exists():
        yield argument, _kind_of(path), Path(path.name)
    elif argument.isdecimal():
        yield argument, SourceKind.LIVE, Path(f"webcam_{argument}.mp4")
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", argument):
        words = re.sub(r"\W+", "_", argument.split("://", 1)[1].split("@")[-1]).strip("_")
        yield argument, SourceKind.LIVE, Path(f"{words[:80] or 'stream'}.mp4")
    elif _MAGIC.search(argument):
        yield from _matches(argument, output)
    else:
        raise UserError(f"{argument}: no such file or folder")


def _matches(pattern: str, output: Path) -> Iterator[tuple[str, SourceKind, Path]]:
    """The files that match a pattern, and those in the folders that match it."""
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
    yield from ((str(file), _kind_of(file), file.relative_to(root)) for file in files)


def _in_folder(folder: Path, output: Path) -> list[Path]:
    """Images and videos below a folder, sorted, without hidden ones and those of the output."""
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


def _kind_of(file: Path) -> SourceKind:
    return SourceKind.VIDEO if file.suffix.lower() in VIDEO_SUFFIXES else SourceKind.IMAGE
