"""List files: one image per line, `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, in pixels.

A path may contain spaces; a relative path starts at the list file's folder, or else at the current
folder. A line with a path alone is a background image. Classes are numbered from 0.
"""

import os
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from utils.annotations.formats.yolo.classes import Names, all_names
from utils.annotations.formats.yolo.image_lists import is_image_list
from utils.annotations.raw import (
    Annotation,
    DataFormat,
    Entry,
    Finding,
    Problem,
    RawDataSet,
    RawObject,
)
from utils.annotations.split_names import split_of_file
from utils.errors import UserError
from utils.files.reading import MOST_BYTES_OF_DATA_SET, read_text
from utils.image import IMAGE_SUFFIXES
from utils.text import read_class_names

_SUFFIXES = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
# Greedy: the last of several suffixes in a line ends the path, since boxes contain no letters.
_LINE = re.compile(rf"(?P<path>.*(?:{_SUFFIXES}))(?:\s+(?P<boxes>.*))?", re.IGNORECASE)
_BOX = re.compile(r"\s[^\s,]+(,[^\s,]+){4}(\s|$)")


def read_folder(root: Path) -> list[RawDataSet]:
    """Read the list files in a folder, or else those in the folders in it.

    If there is one, image lists without boxes count as well.
    """
    for pattern in ("*.txt", "[!.]*/*.txt"):
        files = sorted(root.glob(pattern))
        if any(map(is_list_file, files)):
            used = [path for path in files if is_list_file(path) or is_image_list(path)]
            return read_list_files(used, root)
    return []


def read_file(path: Path) -> list[RawDataSet]:
    """Read a single list file."""
    is_list = path.suffix.lower() == ".txt" and is_list_file(path)
    return read_list_files([path]) if is_list else []


LIST_FILES = DataFormat(
    "list files with lines of 'path x1,y1,x2,y2,class'",
    read_folder,
    "a .txt list with lines of 'path x1,y1,x2,y2,class'",
    read_file,
)


def is_list_file(path: Path) -> bool:
    """Whether a line contains the path of an image and a box."""
    lines = read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()
    return any(_BOX.search(line) and _LINE.fullmatch(line.strip()) for line in lines)


def read_list_files(files: Sequence[Path], root: Path | None = None) -> list[RawDataSet]:
    """Read list files, split by their names or those of their folders.

    The class names are in classes.txt or one *_classes.txt beside each file, or beside the first
    one; without one, classes are named by their numbers.

    Args:
        files: the list files.
        root: the folder of the data set, if its subfolders may name splits.
    """
    names_in: dict[Path, Names | None] = {}
    for path in files:
        names_in.setdefault(path.parent, _names_in(path.parent))
    first = next(filter(None, names_in.values()), None)
    data_set = RawDataSet("list files (path x1,y1,x2,y2,class)", files=list(files))
    data_set.class_names = all_names(names_in)
    data_set.class_files = [file for folder in names_in for file in _class_files(folder)]
    for path in files:
        names = names_in[path.parent] or first
        lines = read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()
        split = split_of_file(path, root or path.parent)
        for number, line in enumerate(lines, start=1):
            if line.strip():
                entry = _make_entry(data_set, path, f"line {number}", line.strip(), names)
                data_set.splits[split] += [entry] if entry else []
    return [data_set]


def _names_in(folder: Path) -> Names | None:
    files = _class_files(folder)
    if len(files) > 1:
        raise UserError(
            f"{folder}: {files[0].name} and {files[1].name}; expected one file of class names"
        )
    return read_class_names(files[0]) if files else None


def _class_files(folder: Path) -> list[Path]:
    files = [folder / "classes.txt", *sorted(folder.glob("*_classes.txt"))]
    return [file for file in files if file.is_file()]


def _make_entry(
    data_set: RawDataSet, path: Path, where: str, line: str, class_names: Names | None
) -> Entry | None:
    match = _LINE.fullmatch(line)
    if match is None:
        detail = f"{line[:60]!r}; expected the path of an image first"
        data_set.findings.append(Finding(Problem.BAD_ANNOTATION, path, where, detail))
        return None
    name = match["path"]
    candidates = [
        folder / spelling
        for spelling in (name, name.replace("\\", "/"))
        for folder in (path.parent, Path())
    ]
    image = next(filter(os.path.isfile, candidates), None)
    if image is None:
        detail = f"{name}: no such file"
        data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, where, detail))
        return None
    read = partial(_annotate, path, where, match["boxes"], class_names)
    return Entry(image, path, read)


def _annotate(path: Path, line: str, boxes: str | None, class_names: Names | None) -> Annotation:
    """The objects in one line."""
    objects, findings = [], []
    for number, text in enumerate((boxes or "").split(), start=1):
        where = f"{line}, object {number}"
        try:
            x1, y1, x2, y2, category = map(float, text.split(","))
            if category != int(category) or category < 0:
                raise ValueError
        except (ValueError, OverflowError):
            detail = f"{text[:60]!r}; expected x1,y1,x2,y2,class"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        if class_names is not None and category >= len(class_names):
            detail = f"class {int(category)}; there are {len(class_names)} classes, numbered from 0"
            findings.append(Finding(Problem.UNKNOWN_CLASS, path, where, detail))
            continue
        name = int(category) if class_names is None else class_names[int(category)]
        objects.append(RawObject(name, (x1, y1, x2, y2), where))
    return Annotation(objects, findings)
