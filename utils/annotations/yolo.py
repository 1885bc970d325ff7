"""YOLO txt data sets: a data.yaml, or folders of images and text files.

An image without a text file is background.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import yaml

from utils.annotations.source import (
    UNSPLIT,
    Entry,
    Kind,
    Problem,
    Source,
    files_below,
    split_in_name,
    split_of,
    split_of_folder,
)
from utils.annotations.yolo_txt import holds_objects, image_stems, label_file, read_yolo_txt
from utils.errors import UserError
from utils.image import is_image_name
from utils.text import class_name, read_class_names, read_text, require_distinct

_SPLIT_KEYS = {"train": "train", "val": "val", "valid": "val", "test": "test"}


def find_yolo_yaml(root: Path) -> Source | None:
    """Read the data set that a yaml file in a folder describes; None where there is none."""
    for path in sorted([*root.glob("*.yaml"), *root.glob("*.yml")]):
        if "names" in read_text(path) and _is_data_yaml(_load_yaml(path)):
            return read_yolo_yaml(path)
    return None


def read_yolo_folder(root: Path) -> Source | None:
    """Read a folder of images and their text files.

    The text files lie in folders `labels` where the images lie in `images`, or beside the images.
    Folders named train, val (valid) and test are splits; where there are none, lists of images
    train.txt and so on. The class names stand in classes.txt or a .names file; without one the
    classes are called by their numbers.

    Returns:
        None where no image has a text file.
    """
    images = [path for path in files_below(root) if is_image_name(path.name)]
    folders = {image.parent for image in images if label_file(image).is_file()}
    if not folders:
        return None
    texts = sorted(root.glob("*.txt"))
    lists = [path for path in texts if is_image_list(path)]
    if lists and {split_of_folder(folder, root) for folder in folders} == {UNSPLIT}:
        return read_yolo_lists(lists)
    source = Source("YOLO txt", class_names=_names_beside(root, images))
    by_split = defaultdict(list)
    for image in images:
        if image.parent in folders or "images" in image.relative_to(root).parts:
            by_split[split_of_folder(image.parent, root)].append(image)
    unused = len(images) - sum(map(len, by_split.values()))
    if unused:
        source.notes.append(f"images in folders without any text file, not used: {unused}")
    for path in texts:
        if split_in_name(path.stem) and path not in lists and lists_images(path):
            source.notes.append(f"{path} lists no image that is there and was not used")
    _fill(source, by_split)
    return source


def lists_images(path: Path) -> bool:
    """Whether a line of a text file is an image's path."""
    return any(is_image_name(Path(line).name) for line in _lines(path))


def is_image_list(path: Path) -> bool:
    """Whether a text file is named after a split and lists an image that is there."""
    return split_in_name(path.stem) is not None and any(
        _listed_image(path, line) for line in _lines(path)
    )


def read_yolo_lists(files: Sequence[Path]) -> Source:
    """Read text files that list images, a path per line, split by their names."""
    source = Source("YOLO txt (lists of images)")
    by_split = defaultdict(list)
    for path in files:
        by_split[split_of([path.stem])] += _images_of(path, source)
    images = [image for images in by_split.values() for image in images]
    source.class_names = _names_beside(files[0].parent, images)
    _fill(source, by_split)
    return source


def read_yolo_yaml(path: Path) -> Source:
    """Read the data set that a data.yaml (path, train, val, test, names) describes.

    Raises:
        UserError: the file is no such description, or names a folder that is not there.
    """
    content = _load_yaml(path)
    if not _is_data_yaml(content):
        raise UserError(
            f"{path}: not a YOLO data set, needs 'names' and one of 'train', 'val', 'test'"
        )
    by_split = {}
    source = Source("YOLO txt (data.yaml)", class_names=_names(content, path))
    for key, split in _SPLIT_KEYS.items():
        value = content.get(key)
        if not value:
            continue
        for item in value if isinstance(value, list) else [value]:
            place = _locate(str(item), content, path)
            if place is None and split == "test":
                source.notes.append(f"{path} names the test images {item}, which are not there")
            elif place is None:
                raise UserError(f"{path}: {key}: {item}: no such folder or list of images")
            else:
                by_split.setdefault(split, []).extend(_images_of(place, source))
    _fill(source, by_split)
    return source


def _load_yaml(path: Path) -> object:
    try:
        return yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: bad YAML, {reason}") from error


def _is_data_yaml(content: object) -> bool:
    return isinstance(content, dict) and "names" in content and bool(_SPLIT_KEYS.keys() & content)


def _names(content: dict, path: Path) -> tuple[str, ...]:
    """The class names of a data.yaml: a list, or a mapping of the numbers from 0."""
    names = content["names"]
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise UserError(f"{path}: 'names' is neither a list nor a mapping numbered from 0")
    if str(content.get("nc", len(names))) != str(len(names)):
        raise UserError(f"{path}: nc is {content['nc']}, but there are {len(names)} names")
    names = tuple(map(class_name, names))
    if "" in names:
        raise UserError(f"{path}: class {names.index('')} has an empty name")
    require_distinct(names, str(path))
    return names


def _locate(item: str, content: dict, path: Path) -> Path | None:
    """Where the images of a split are: below `path`, the yaml file's folder, or here.

    Exports of Roboflow write `../train/images` for what lies beside the yaml file.
    """
    bases = [path.parent / str(content.get("path") or ""), Path(str(content.get("path") or ""))]
    candidates = [base / item for base in (*bases, path.parent)]
    candidates.append(path.parent / item.removeprefix("../"))
    return next(filter(os.path.exists, candidates), None)


def _images_of(place: Path, source: Source) -> list[Path]:
    """The images in a folder, or those that a text file lists."""
    if place.is_dir():
        return [path for path in files_below(place) if is_image_name(path.name)]
    images = []
    for number, line in enumerate(_lines(place), start=1):
        image = _listed_image(place, line)
        if image is not None:
            images.append(image)
        elif line:
            detail = f"{line}: no such file"
            source.problems.append(Problem(Kind.MISSING_IMAGE, place, f"line {number}", detail))
    return images


def _listed_image(file: Path, line: str) -> Path | None:
    """The image that a line names, from the list file's folder or from the current one."""
    places = [file.parent / line, Path(line)] if is_image_name(Path(line).name) else []
    return next(filter(os.path.isfile, places), None)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines()]


def _names_beside(root: Path, images: Sequence[Path]) -> tuple[str, ...] | None:
    """The class names in classes.txt or a .names file at the root or where the labels are."""
    folders = dict.fromkeys([root, root / "labels", *(label_file(p).parent for p in images)])
    for folder in folders:
        for path in (folder / "classes.txt", *sorted(folder.glob("*.names"))):
            if path.is_file():
                return read_class_names(path)
    return None


def _fill(source: Source, by_split: dict[str, Iterable[Path]]) -> None:
    """Make the entries, and note images without a text file and text files without an image."""
    folders, unlabeled = set(), 0
    for split, images in by_split.items():
        for image in images:
            label = label_file(image)
            folders.add(label.parent)
            unlabeled += not label.is_file()
            reader = partial(read_yolo_txt, label, source.class_names)
            source.splits[split].append(Entry(image, label, reader))
    if unlabeled:
        source.notes.append(f"images without a text file, taken as background: {unlabeled}")
    for folder in sorted(folders):
        stems = image_stems(folder)
        for path in sorted(folder.glob("*.txt")):
            if path.stem not in stems and holds_objects(path):
                detail = "no image belongs to this text file"
                source.problems.append(Problem(Kind.MISSING_IMAGE, path, "", detail))
