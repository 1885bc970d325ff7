"""YOLO data sets without a data.yaml: folders of images and text files."""

from collections import defaultdict
from pathlib import Path

from utils.annotations.formats.yolo.classes import all_names, class_files, class_names_of
from utils.annotations.formats.yolo.entries import fill
from utils.annotations.formats.yolo.image_lists import (
    has_image_path,
    is_image_list,
    read_image_lists,
)
from utils.annotations.formats.yolo.label_files import label_file, text_files
from utils.annotations.image_files import files_below
from utils.annotations.raw import UNSPLIT, DataFormat, RawDataSet
from utils.annotations.split_names import split_in_name, split_of_folder
from utils.image import is_image_name


def read_folder(root: Path) -> list[RawDataSet]:
    """Read a folder of images and their text files, at least one of which must exist.

    The text files are in folders `labels` if the images are in `images`, or beside the images.
    Folders named train, val (valid) and test are splits; without them, image lists train.txt and
    so on define the splits. The class names are in classes.txt or a .names file; without one,
    classes are named by their numbers.
    """
    images = [path for path in files_below(root) if is_image_name(path.name)]
    labels = {image: label for image in images if (label := label_file(image)).is_file()}
    if not labels:
        return []
    splits = {folder: split_of_folder(folder, root) for folder in {i.parent for i in images}}
    named = [path for path in text_files(root) if split_in_name(path.stem)]
    lists = [path for path in named if is_image_list(path)]
    if lists and {splits[image.parent] for image in labels} == {UNSPLIT}:
        data_sets = read_image_lists(lists)
    else:
        data_sets = [_read_folders(root, images, labels, splits)]
    data_sets[0].unused |= {
        path: "it lists no image that exists"
        for path in named
        if path not in lists and has_image_path(path)
    }
    return data_sets


IMAGES_WITH_LABELS = DataFormat("images/ with labels/ (YOLO txt)", read_folder)


def _read_folders(
    root: Path, images: list[Path], labels: dict[Path, Path], splits: dict[Path, str]
) -> RawDataSet:
    """Images without a text file count if they are in `images`, or beside others that have one."""
    folders = {image.parent for image in labels}
    by_split = defaultdict(list)
    used = []
    for image in images:
        if image.parent in folders or "images" in _lower_parts(image.relative_to(root)):
            by_split[splits[image.parent]].append(image)
            used.append(image)
    label_folders = [label_file(image).parent for image in used]
    names_of = class_names_of(root, label_folders)
    data_set = RawDataSet("YOLO txt", class_names=all_names(names_of))
    data_set.class_files = class_files(root, label_folders)
    fill(data_set, by_split, names_of)
    return data_set


def _lower_parts(path: Path) -> list[str]:
    return [part.lower() for part in path.parts]
