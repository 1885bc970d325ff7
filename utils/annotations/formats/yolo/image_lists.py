"""Text files that list images, one path per line."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from utils.annotations.formats.yolo.classes import all_names, class_files, class_names_of
from utils.annotations.formats.yolo.entries import fill
from utils.annotations.formats.yolo.label_files import label_file
from utils.annotations.image_files import ImagesBelow, files_below, path_parts
from utils.annotations.raw import DataFormat, Finding, Problem, RawDataSet
from utils.annotations.split_names import split_in_name, split_of
from utils.files.reading import MOST_BYTES_OF_DATA_SET, read_text
from utils.image import is_image_name


def read_image_list(path: Path) -> list[RawDataSet]:
    """Read a single text file that lists images."""
    is_list = path.suffix.lower() == ".txt" and has_image_path(path)
    return read_image_lists([path]) if is_list else []


def read_image_lists(files: Sequence[Path]) -> list[RawDataSet]:
    """Read text files that list images, split by their names."""
    data_set = RawDataSet("YOLO txt (lists of images)", files=list(files))
    by_split = defaultdict(list)
    for path in files:
        by_split[split_of([path.stem])] += images_in(path, data_set)
    labels = [label_file(image) for images in by_split.values() for image in images]
    label_folders = [label.parent for label in labels]
    names_of = class_names_of(files[0].parent, label_folders)
    data_set.class_files = class_files(files[0].parent, label_folders)
    data_set.class_names = all_names(names_of)
    fill(data_set, by_split, names_of)
    return [data_set]


IMAGE_LISTS = DataFormat(file="a .txt list of images", read_file=read_image_list)


def is_image_list(path: Path) -> bool:
    """Whether a text file is named after a split and lists an image that exists."""
    return split_in_name(path.stem) is not None and any(image for _, _, image in _listed(path))


def has_image_path(path: Path) -> bool:
    """Whether a line of a text file has the suffix of an image."""
    return any(is_image_name(path_parts(line)[-1]) for line in _lines(path))


def images_in(location: Path, data_set: RawDataSet) -> list[Path]:
    """The images in a folder, or in a text file that lists them; missing ones become findings."""
    if location.is_dir():
        return [path for path in files_below(location) if is_image_name(path.name)]
    images = []
    for number, line, image in _listed(location):
        if image is not None:
            images.append(image)
        else:
            where, detail = f"line {number}", f"{line}: no such file"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, location, where, detail))
    return images


def _listed(file: Path) -> Iterator[tuple[int, str, Path | None]]:
    """The number, the text and the image of each line that is not blank.

    A path is relative to the list file's folder or to the current one. If it was written on another
    system or for another folder, the file's name and its folder must match.
    """
    below = ImagesBelow(file.parent)
    for number, line in enumerate(_lines(file), start=1):
        if not line:
            continue
        image = None
        if is_image_name(path_parts(line)[-1]):
            here = next(filter(os.path.isfile, [Path(line)]), None)
            image = below.find(line, file, is_unique=False) or here
        yield number, line, image


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()]
