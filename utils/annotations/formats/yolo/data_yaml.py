"""YOLO data sets that a YAML file describes: path, train, val, test, names."""

import os
import re
from pathlib import Path
from typing import TypeGuard

from utils.annotations.formats.yolo.entries import fill
from utils.annotations.formats.yolo.image_lists import images_in
from utils.annotations.raw import DataFormat, RawDataSet
from utils.annotations.split_names import split_of_word
from utils.errors import UserError
from utils.files.markup import read_yaml as load_yaml
from utils.files.reading import read_text
from utils.printable import brief
from utils.text import class_name, require_names

_NO_VALUE = ("null", "~")

# The first lines of both parts that a data.yaml has, which show it even if the file is damaged.
_NAMES = re.compile(r"^[\"']?names[\"']?\s*:", re.MULTILINE)
_SPLIT = re.compile(r"^[\"']?(train|val|test)", re.MULTILINE)


def find_yaml(root: Path) -> list[RawDataSet]:
    """Read the data set that a YAML file in a folder describes; other YAML files are ignored."""
    paths = sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    described = [path for path in paths if _describes_data(path)]
    if not described:
        return []
    data_sets = read_yaml(described[0])
    data_sets[0].unused |= dict.fromkeys(described[1:], f"{described[0].name} was used")
    return data_sets


def _describes_data(path: Path) -> bool:
    """Whether a YAML file is a data.yaml, valid or damaged."""
    text = read_text(path)
    if "names" not in text:
        return False
    try:
        return _is_data_yaml(load_yaml(path))
    except UserError:
        return bool(_NAMES.search(text) and _SPLIT.search(text))


def read_yaml(path: Path) -> list[RawDataSet]:
    """Read the data set that a data.yaml (path, train, val, test, names) describes.

    Raises:
        UserError: the file has no such content, or names a folder that does not exist.
    """
    if path.suffix.lower() not in (".yaml", ".yml"):
        return []
    content = load_yaml(path)
    if not _is_data_yaml(content):
        raise UserError(
            f"{path}: not a YOLO data set; expected 'names' and one of 'train', 'val', 'test'"
        )
    by_split: dict[str, list[Path]] = {}
    names = _names(content, path)
    data_set = RawDataSet(
        "YOLO txt (data.yaml)", class_names=names, files=[path], class_files=[path]
    )
    for key, split in _splits(content).items():
        value = content[key]
        for item in filter(None, map(_path, value if isinstance(value, list) else [value])):
            location = _locate(item, content, path)
            if location is None and split == "test":
                data_set.notes.append(f"{path} names test images {item}, which do not exist")
                data_set.is_complete = False
            elif location is None:
                raise UserError(f"{path}: {key}: {item}: no such folder or list of images")
            else:
                by_split.setdefault(split, []).extend(images_in(location, data_set))
    fill(data_set, by_split, key_points=_key_points(content, path))
    return [data_set]


DATA_YAML = DataFormat("data.yaml (YOLO)", find_yaml, "a YOLO data.yaml", read_yaml)


def _is_data_yaml(content: object) -> TypeGuard[dict]:
    return isinstance(content, dict) and "names" in content and bool(_splits(content))


def _splits(content: dict) -> dict[str, str]:
    """The split of each key that names one and has a value."""
    splits = {key: split_of_word(key) for key in content if isinstance(key, str)}
    return {key: split for key, split in splits.items() if split and content[key]}


def _key_points(content: dict, path: Path) -> int:
    """How many numbers for key points follow each box: `kpt_shape` is points times dimensions."""
    shape = content.get("kpt_shape")
    if shape is None:
        return 0
    try:
        points, dimensions = map(int, shape)
        if points > 0 and dimensions in (2, 3):
            return points * dimensions
    except (TypeError, ValueError):
        pass
    raise UserError(
        f"{path}: kpt_shape is {brief(shape)}; expected the number of key points, and 2 or 3"
    )


def _names(content: dict, path: Path) -> tuple[str, ...]:
    """The class names in a data.yaml: a list, or a mapping from the numbers from 0."""
    names = content["names"]
    if isinstance(names, dict):
        numbers = [str(number) for number in range(len(names))]
        names = [names[number] for number in numbers] if names.keys() == {*numbers} else names
    if not isinstance(names, list) or not names:
        raise UserError(
            f"{path}: 'names' is {brief(names)}; expected a list, or a mapping numbered from 0"
        )
    if content.get("nc", str(len(names))) != str(len(names)):
        found = brief(content["nc"])
        raise UserError(f"{path}: nc is {found}; expected {len(names)}, as in 'names'")
    names = tuple(map(class_name, names))
    if "" in names:
        raise UserError(f"{path}: the name of class {names.index('')} is empty; expected a name")
    require_names(names, str(path))
    return names


def _locate(item: str, content: dict, path: Path) -> Path | None:
    """The images of a split: below `path`, the YAML file's folder, or the current folder.

    Roboflow writes `../train/images` for what is beside the YAML file.
    """
    below = _path(content.get("path"))
    bases = [path.parent / below, Path(below)]
    candidates = [base / item for base in (*bases, path.parent)]
    candidates.append(path.parent / item.removeprefix("../"))
    return next(filter(os.path.exists, candidates), None)


def _path(value: object) -> str:
    """A path in a data.yaml; empty if there is none."""
    return value if isinstance(value, str) and value not in _NO_VALUE else ""
