"""Finds what to detect in: image files, folders, glob patterns, videos, webcams and streams."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path

from PIL import Image

from utils.errors import UserError
from utils.files.folders import files_below
from utils.files.names import fitting_name
from utils.image import IMAGE_SUFFIXES
from utils.printable import printable

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".flv", ".ts"}
    | {".mts", ".m2ts", ".3gp", ".ogv"}
)

_MOST_SUFFIXES = 8
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

    A line says which files of a folder or a pattern are neither images nor videos by their suffix.

    Args:
        arguments: files, folders (searched to any depth for images and videos, also through links),
            glob patterns, webcam numbers, stream addresses.
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
            _claim(_named(path, "_heatmap"), taken),
            _claim(path.with_name(fitting_name(path.stem, "_crops")), taken),
        )
        for (name, kind, _), path in zip(found.values(), paths, strict=True)
    ]


def _claim(path: Path, taken: set[str]) -> Path:
    """Add `path` to `taken`, with a number after its stem if it is taken already; return it."""
    chosen, number = path, 1
    while os.path.normcase(chosen) in taken:
        number += 1
        chosen = _named(path, f"-{number}")
    taken.add(os.path.normcase(chosen))
    return chosen


def _named(path: Path, ending: str) -> Path:
    """The same path with `ending` after its stem, which is shortened if the name is too long."""
    return path.with_name(fitting_name(path.stem, ending + path.suffix))


def _writable(path: Path, kind: SourceKind) -> Path:
    """The same path, with .png after it if images of its suffix cannot be written."""
    known = Image.registered_extensions().get(path.suffix.lower()) in Image.SAVE
    if known or kind is not SourceKind.IMAGE:
        return path
    return path.with_name(fitting_name(path.name, ".png"))


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
    shown = [m for m in matches if not any(p[0] == "." for p in m.relative_to(root).parts)]
    inside = [_below(match, output) if match.is_dir() else [match] for match in shown]
    files = _wanted(dict.fromkeys(chain.from_iterable(inside)), pattern)
    if not files:
        raise UserError(f"{pattern}: matches no image or video")
    yield from ((str(file), _kind_of(file), file.relative_to(root)) for file in files)


def _in_folder(folder: Path, output: Path) -> list[Path]:
    """Images and videos below a folder, sorted, without hidden ones and those of the output."""
    return _wanted(_below(folder, output), str(folder))


def _below(folder: Path, output: Path) -> list[Path]:
    is_output = folder.resolve() == output.resolve()  # reported as a source that is overwritten
    return files_below(folder, without=() if is_output else (output,))


def _wanted(files: Iterable[Path], where: str) -> list[Path]:
    """Of some files the images and videos; a line says which others there are."""
    files = list(files)
    wanted = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES | VIDEO_SUFFIXES]
    counts = Counter(file.suffix.lower() or "no suffix" for file in set(files).difference(wanted))
    others = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if others:
        shown = ", ".join(f"{count} {suffix}" for suffix, count in others[:_MOST_SUFFIXES])
        more = ", ..." if len(others) > _MOST_SUFFIXES else ""
        passed = f"passed over what is neither image nor video by its suffix: {shown}{more}"
        print(printable(f"{where}: {passed}"))
    return wanted


def _kind_of(file: Path) -> SourceKind:
    return SourceKind.VIDEO if file.suffix.lower() in VIDEO_SUFFIXES else SourceKind.IMAGE
