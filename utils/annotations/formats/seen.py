"""Describes files that are no data set of a known format, for the error message."""

import re
from collections import Counter
from pathlib import Path

from utils.annotations.formats.voc.xml_file import root_name
from utils.annotations.image_files import files_below
from utils.files.encodings import decode_text
from utils.files.reading import LFS_POINTER, is_lfs_pointer, read_head
from utils.image import is_image_name

_HEAD = 1 << 16
_JSON_KEY = re.compile(r'"([\w.\- ]{1,40})"\s*:')
_KINDS = (".json", ".xml", ".csv", ".txt", ".yaml", ".yml")
_MOST_KEYS = 6
# Keys that tell other formats of JSON.
_OTHER_JSON = {
    "LabelMe": {"shapes", "imagePath"},
    "VGG Image Annotator": {"regions", "shape_attributes"},
    "CreateML": {"image", "annotations", "coordinates"},
    "Labelbox": {"data_row", "projects"},
    "Label Studio": {"annotations", "from_name", "to_name"},
    "Supervisely": {"objects", "classTitle"},
    "COCO captions": {"images", "annotations", "caption"},
    "COCO without boxes": {"images", "annotations", "categories"},
}


def describe_contents(path: Path) -> str:
    """What a folder or a file holds: "9 images, 9 JSON files (a.json: looks like LabelMe)"."""
    files = files_below(path) if path.is_dir() else [path]
    images = [file for file in files if is_image_name(file.name)]
    parts = [_count(len(images), "image") + _pointer(images)] if images else []
    for suffix in _KINDS:
        of_kind = [file for file in files if file.suffix.lower() == suffix]
        if of_kind:
            kind = suffix[1:].upper()
            parts.append(f"{_count(len(of_kind), f'{kind} file')} ({_describe(of_kind[0])})")
    others = Counter(
        file.suffix.lower() or "no suffix"
        for file in files
        if file not in images and file.suffix.lower() not in _KINDS
    )
    if others and not parts:
        suffixes = ", ".join(suffix for suffix, _ in others.most_common(3))
        parts.append(f"{_count(others.total(), 'file')} ({suffixes})")
    return ", ".join(parts) or "no files"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _pointer(files: list[Path]) -> str:
    return f" ({LFS_POINTER})" if is_lfs_pointer(files[0]) else ""


def _describe(file: Path) -> str:
    """What a file looks like, from its beginning."""
    if is_lfs_pointer(file):
        return f"{file.name}: {LFS_POINTER}"
    if file.suffix.lower() == ".xml":
        found = root_name(file)
        return f"{file.name}: {f'root <{found}>' if found else 'no XML element'}"
    text = head_of(file)
    if file.suffix.lower() == ".json":
        keys = list(dict.fromkeys(_JSON_KEY.findall(text)))
        name = next((name for name, needed in _OTHER_JSON.items() if needed <= set(keys)), None)
        shown = ", ".join(keys[:_MOST_KEYS])
        looks = f"looks like {name}, " if name else ""
        outermost = "a list" if text.lstrip()[:1] == "[" else "an object"
        return f"{file.name}: {looks}{outermost}{' with ' if shown else ''}{shown}"
    first = next(filter(None, map(str.strip, text.splitlines())), "")
    return f"{file.name}: {first[:60]!r}"


def head_of(file: Path) -> str:
    """The beginning of a text file; empty if it cannot be read."""
    return decode_text(read_head(file, _HEAD))
