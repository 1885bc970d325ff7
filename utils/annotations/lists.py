"""List files: a line per image, `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, in pixels.

A path may hold spaces; a relative one starts at the list file's folder, or else at the current
one. A line of a path alone is a background image. Classes are numbers from 0.
"""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from utils.annotations.source import (
    Annotation,
    Entry,
    Kind,
    Problem,
    RawObject,
    Source,
    split_of,
)
from utils.annotations.yolo import is_image_list
from utils.errors import UserError
from utils.image import IMAGE_SUFFIXES
from utils.text import read_class_names, read_text

_SUFFIXES = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
# Greedy: of several suffixes in a line the last one ends the path, since no box holds letters.
_LINE = re.compile(rf"(?P<path>.*(?:{_SUFFIXES}))(?:\s+(?P<boxes>.*))?", re.IGNORECASE)
_BOX = re.compile(r"\s[^\s,]+(,[^\s,]+){4}(\s|$)")


def find_list_files(root: Path) -> Source | None:
    """Read the list files that lie in a folder; None where there are none."""
    files = sorted(root.glob("*.txt"))
    if not any(map(is_list_file, files)):
        return None
    return read_list_files([path for path in files if is_list_file(path) or is_image_list(path)])


def is_list_file(path: Path) -> bool:
    """Whether one of the first lines is an image's path and a box."""
    lines = read_text(path).splitlines()[:100]
    return any(_LINE.fullmatch(line.strip()) and _BOX.search(line) for line in lines)


def read_list_files(files: Sequence[Path]) -> Source:
    """Read list files, split by their names.

    The class names stand in classes.txt or one *_classes.txt beside the first file; without one
    the classes are called by their numbers.
    """
    source = Source("list files (path x1,y1,x2,y2,class)", class_names=_names_beside(files[0]))
    for path in files:
        entries = source.splits[split_of([path.stem])]
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if line.strip():
                entry = _entry(source, path, f"line {number}", line.strip())
                entries += [entry] if entry else []
    return source


def _names_beside(path: Path) -> tuple[str, ...] | None:
    files = [path.with_name("classes.txt"), *sorted(path.parent.glob("*_classes.txt"))]
    files = [file for file in files if file.is_file()]
    if len(files) > 1:
        raise UserError(
            f"{path.parent}: which of {files[0].name}, {files[1].name} has the classes?"
        )
    return read_class_names(files[0]) if files else None


def _entry(source: Source, path: Path, where: str, line: str) -> Entry | None:
    found = _LINE.fullmatch(line)
    if found is None:
        detail = f"{line[:60]!r} does not begin with an image's path"
        source.problems.append(Problem(Kind.BAD_ANNOTATION, path, where, detail))
        return None
    written = found["path"]
    places = [
        base / name
        for name in (written, written.replace("\\", "/"))
        for base in (path.parent, Path())
    ]
    image = next(filter(os.path.isfile, places), None)
    if image is None:
        source.problems.append(Problem(Kind.MISSING_IMAGE, path, where, f"{written}: no such file"))
        return None
    return Entry(image, path, partial(_annotate, path, where, found["boxes"], source.class_names))


def _annotate(
    path: Path, line: str, boxes: str | None, class_names: tuple[str, ...] | None
) -> Annotation:
    """The objects of one line."""
    objects, problems = [], []
    for number, written in enumerate((boxes or "").split(), start=1):
        where = f"{line}, object {number}"
        try:
            *corners, category = map(float, written.split(","))
            if len(corners) != 4 or category != int(category) or category < 0:
                raise ValueError
        except (ValueError, OverflowError):
            detail = f"{written[:60]!r} is not x1,y1,x2,y2,class"
            problems.append(Problem(Kind.BAD_OBJECT, path, where, detail))
            continue
        if class_names is not None and category >= len(class_names):
            detail = f"class {int(category)}, but there are {len(class_names)} classes"
            problems.append(Problem(Kind.UNKNOWN_CLASS, path, where, detail))
            continue
        name = int(category) if class_names is None else class_names[int(category)]
        objects.append(RawObject(name, tuple(corners), where))
    return Annotation(objects, problems)
