"""Which JSON files of a folder hold COCO annotations of boxes, judged by their content."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from utils.annotations.cached.scan_cache import cached_content
from utils.annotations.formats.coco.annotations import (
    NotCocoError,
    as_coco,
    entries_of,
    load_json,
    statement_of,
)
from utils.annotations.image_files import ImagesBelow, files_below
from utils.annotations.raw import UNSPLIT, DataFormat, Entry, Finding, RawDataSet
from utils.annotations.split_names import split_of_file, split_of_folder
from utils.errors import UserError
from utils.image import is_image_name

# A broken JSON file with such a name is an error, unless an image beside it has the same name; any
# other one is not used.
_ANNOTATION_NAME = re.compile("train|val|test|coco|instances|annotation", re.IGNORECASE)
# COCO's own files for other tasks; they list the images of `instances_*.json` again.
_OTHER_TASK = re.compile(r"(captions|person_keypoints|stuff|panoptic|image_info)(_.+)")
_MAX_DEPTH = 3


@dataclass(frozen=True)
class _File:
    """What one JSON file states."""

    path: Path
    class_names: tuple[str, ...]
    entries: list[Entry]
    findings: list[Finding]
    split: str

    @property
    def images(self) -> set[Path]:
        return {entry.image for entry in self.entries}


def read_folder(root: Path) -> list[RawDataSet]:
    """Read the JSON files of a folder, up to two folders down, that hold annotations of boxes.

    Raises:
        UserError: a file named like annotations is not JSON, a category has no id or name, or two
            files of a split annotate the same image.
    """
    paths = files_below(root)
    about_one_image = {(image.parent, image.stem) for image in paths if is_image_name(image.name)}
    data_set = RawDataSet("COCO JSON")
    files, images = [], ImagesBelow(root, paths)
    for path in paths:
        if path.suffix.lower() != ".json" or len(path.relative_to(root).parts) > _MAX_DEPTH:
            continue
        if reason := _other_task(path):
            data_set.unused[path] = reason
            continue
        required = (path.parent, path.stem) not in about_one_image
        try:
            files.append(_read(path, partial(_load, path, required), images))
        except NotCocoError as error:
            data_set.unused[path] = str(error)
    if not files:
        return []
    used = _without_summaries(files, data_set.unused)
    _refuse_two_of_an_image(used)
    return [_merge(data_set, used, root)]


def read_file(path: Path) -> list[RawDataSet]:
    """Read one JSON file, whose images lie beside it or beside its folder `annotations`."""
    if path.suffix.lower() != ".json":
        return []
    root = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    try:
        file = _read(path, partial(load_json, path), ImagesBelow(root))
    except NotCocoError as error:
        if error.has_list:
            raise UserError(f"{path}: not COCO: {error}") from None
        return []
    return [_merge(RawDataSet("COCO JSON"), [file], root)]


COCO_JSON = DataFormat("annotations/*.json (COCO)", read_folder, "a COCO .json", read_file)


def _load(path: Path, required: bool) -> object:
    """The content of a JSON file.

    Raises:
        UserError: it is broken and, if required, named like annotations.
        NotCocoError: it is broken, but may be something else.
    """
    try:
        return load_json(path)
    except UserError as error:
        if required and _ANNOTATION_NAME.search(path.name):
            raise
        raise NotCocoError("bad JSON") from error


def _other_task(path: Path) -> str:
    match = _OTHER_TASK.fullmatch(path.stem)
    instances = match and path.with_name(f"instances{match[2]}.json")
    return f"for another task than {instances.name}" if instances and instances.is_file() else ""


def _read(path: Path, load: Callable[[], object], images: ImagesBelow) -> _File:
    """Read a file, whose content `load` returns; raises NotCocoError."""
    statement = cached_content(path, lambda: statement_of(as_coco(load()), path))
    findings: list[Finding] = []
    entries = entries_of(path, statement, images, findings)
    split = split_of_file(path, images.root)
    return _File(path, tuple(statement["class_names"]), entries, findings, split)


def _without_summaries(files: list[_File], unused: dict[Path, str]) -> list[_File]:
    """Leave out a file of all images if other files annotate the same images split by split."""
    in_splits = {image for file in files if file.split != UNSPLIT for image in file.images}
    used = []
    for file in files:
        if file.split == UNSPLIT and file.images and file.images <= in_splits:
            unused[file.path] = "files of single splits annotate the same images"
        else:
            used.append(file)
    return used


def _refuse_two_of_an_image(files: Sequence[_File]) -> None:
    """Images in two different splits are reported and resolved later, but not these."""
    for number, file in enumerate(files):
        for other in files[:number]:
            if UNSPLIT not in (file.split, other.split) and file.split != other.split:
                continue
            both = file.images & other.images
            if both:
                raise UserError(
                    f"{other.path} and {file.path} both annotate {min(both)} ({len(both)} images"
                    " in all); expected one file for each image: name the files to read, such as"
                    f" --data {other.path}"
                )


def _merge(data_set: RawDataSet, files: Sequence[_File], root: Path) -> RawDataSet:
    for file in files:
        for entry in file.entries:
            data_set.splits[file.split].append(entry)
        data_set.findings += file.findings
        data_set.files.append(file.path)
    if data_set.splits.keys() == {UNSPLIT}:
        _split_by_image_folders(data_set, root)
    names = [name for file in files for name in file.class_names]
    data_set.class_names = tuple(dict.fromkeys(names))
    return data_set


def _split_by_image_folders(data_set: RawDataSet, root: Path) -> None:
    """Use the folders of the images as splits if they name several."""
    folders = {entry.image.parent for entry in data_set.splits[UNSPLIT]}
    splits = {folder: split_of_folder(folder, root) for folder in folders}
    if len(set(splits.values()) - {UNSPLIT}) > 1:
        for entry in data_set.splits.pop(UNSPLIT):
            data_set.splits[splits[entry.image.parent]].append(entry)
