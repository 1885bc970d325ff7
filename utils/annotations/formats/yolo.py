"""YOLO txt data sets: a data.yaml, or folders of images and text files.

An image without a text file is background.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeGuard

from utils.annotations.formats.yolo_labels import has_objects, image_stems, label_file, read_labels
from utils.annotations.image_files import files_below, split_in_name, split_of, split_of_folder
from utils.annotations.raw import UNSPLIT, DataFormat, Entry, Finding, Problem, RawDataSet
from utils.errors import UserError
from utils.files.markup import read_yaml as load_yaml
from utils.files.reading import MOST_BYTES_OF_DATA_SET, read_text
from utils.image import is_image_name
from utils.printable import brief
from utils.text import class_name, read_class_names, require_distinct

_NO_VALUE = ("null", "~")
_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def find_yaml(root: Path) -> list[RawDataSet]:
    """Read the data set that a YAML file in a folder describes."""
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        if "names" in read_text(path) and _is_data_yaml(load_yaml(path)):
            return read_yaml(path)
    return []


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
    by_split = {}
    data_set = RawDataSet("YOLO txt (data.yaml)", class_names=_names(content, path))
    for key, split in _SPLIT_KEYS.items():
        value = content.get(key)
        for item in filter(None, map(_path, value if isinstance(value, list) else [value])):
            location = _locate(item, content, path)
            if location is None and split == "test":
                data_set.notes.append(f"{path} names test images {item}, which do not exist")
            elif location is None:
                raise UserError(f"{path}: {key}: {item}: no such folder or list of images")
            else:
                by_split.setdefault(split, []).extend(_images_in(location, data_set))
    _fill(data_set, by_split)
    return [data_set]


def read_folder(root: Path) -> list[RawDataSet]:
    """Read a folder of images and their text files, at least one of which must exist.

    The text files are in folders `labels` if the images are in `images`, or beside the images.
    Folders named train, val (valid) and test are splits; without them, image lists train.txt and
    so on define the splits. The class names are in classes.txt or a .names file; without one,
    classes are named by their numbers.
    """
    images = [path for path in files_below(root) if is_image_name(path.name)]
    folders = {image.parent for image in images if label_file(image).is_file()}
    if not folders:
        return []
    texts = sorted(root.glob("*.txt"))
    lists = [path for path in texts if is_image_list(path)]
    if lists and {split_of_folder(folder, root) for folder in folders} == {UNSPLIT}:
        return read_image_lists(lists)
    data_set = RawDataSet("YOLO txt", class_names=_names_beside(root, images))
    by_split = defaultdict(list)
    for image in images:
        if image.parent in folders or "images" in image.relative_to(root).parts:
            by_split[split_of_folder(image.parent, root)].append(image)
    unused = len(images) - sum(map(len, by_split.values()))
    if unused:
        data_set.notes.append(f"images in folders without any text file, not used: {unused}")
    for path in texts:
        if split_in_name(path.stem) and path not in lists and _has_image_path(path):
            data_set.notes.append(f"{path} lists no image that exists and was not used")
    _fill(data_set, by_split)
    return [data_set]


def read_image_list(path: Path) -> list[RawDataSet]:
    """Read a single text file that lists images."""
    is_list = path.suffix.lower() == ".txt" and _has_image_path(path)
    return read_image_lists([path]) if is_list else []


def read_image_lists(files: Sequence[Path]) -> list[RawDataSet]:
    """Read text files that list images, one path per line, split by their names."""
    data_set = RawDataSet("YOLO txt (lists of images)")
    by_split = defaultdict(list)
    for path in files:
        by_split[split_of([path.stem])] += _images_in(path, data_set)
    images = [image for images in by_split.values() for image in images]
    data_set.class_names = _names_beside(files[0].parent, images)
    _fill(data_set, by_split)
    return [data_set]


DATA_YAML = DataFormat("data.yaml (YOLO)", find_yaml, "a YOLO data.yaml", read_yaml)
IMAGES_WITH_LABELS = DataFormat("images/ with labels/ (YOLO txt)", read_folder)
IMAGE_LISTS = DataFormat(file="a .txt list of images", read_file=read_image_list)


def is_image_list(path: Path) -> bool:
    """Whether a text file is named after a split and lists an image that exists."""
    return split_in_name(path.stem) is not None and any(
        _listed_image(path, line) for line in _lines(path)
    )


def _has_image_path(path: Path) -> bool:
    return any(is_image_name(Path(line).name) for line in _lines(path))


def _is_data_yaml(content: object) -> TypeGuard[dict]:
    return isinstance(content, dict) and "names" in content and bool(_SPLIT_KEYS.keys() & content)


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
    require_distinct(names, str(path))
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


def _images_in(location: Path, data_set: RawDataSet) -> list[Path]:
    """The images in a folder, or in a text file that lists them."""
    if location.is_dir():
        return [path for path in files_below(location) if is_image_name(path.name)]
    images = []
    for number, line in enumerate(_lines(location), start=1):
        image = _listed_image(location, line)
        if image is not None:
            images.append(image)
        elif line:
            where, detail = f"line {number}", f"{line}: no such file"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, location, where, detail))
    return images


def _listed_image(file: Path, line: str) -> Path | None:
    """The image a line names, relative to the list file's folder or to the current one."""
    candidates = [file.parent / line, Path(line)] if is_image_name(Path(line).name) else []
    return next(filter(os.path.isfile, candidates), None)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()]


def _names_beside(root: Path, images: Sequence[Path]) -> tuple[str, ...] | None:
    """The class names in classes.txt or a .names file, in the root or beside the labels."""
    folders = dict.fromkeys([root, root / "labels", *(label_file(p).parent for p in images)])
    for folder in folders:
        for path in (folder / "classes.txt", *sorted(folder.glob("*.names"))):
            if path.is_file():
                return read_class_names(path)
    return None


def _fill(data_set: RawDataSet, by_split: Mapping[str, Iterable[Path]]) -> None:
    """Add the entries, a note on images without text files, and text files without an image."""
    folders, unlabeled = set(), 0
    for split, images in by_split.items():
        for image in images:
            label = label_file(image)
            folders.add(label.parent)
            unlabeled += not label.is_file()
            read = partial(read_labels, label, data_set.class_names)
            data_set.splits[split].append(Entry(image, label, read))
    if unlabeled:
        data_set.notes.append(f"images without a text file, used as background: {unlabeled}")
    for folder in sorted(folders):
        stems = image_stems(folder)
        for path in sorted(folder.glob("*.txt")):
            if path.stem not in stems and has_objects(path):
                detail = f"no image {path.stem}.* belongs to this text file"
                data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, "", detail))
