"""Where the text file of an image is, and where the images of a text file are."""

import os.path
from contextlib import suppress
from functools import lru_cache
from itertools import product, starmap
from pathlib import Path

from utils.files.folders import folder_of, in_order
from utils.image import is_image_name

_IMAGE_FOLDERS = ("images", "jpegimages")
_LABEL_FOLDERS = ("labels", "Labels", "LABELS")
_SUFFIXES = (".txt", ".TXT")


def label_file(image: Path) -> Path:
    """The text file of an image: the first place that has one, or else the first place."""
    return existing_label_file(image) or label_places(image)[0]


def existing_label_file(image: Path) -> Path | None:
    """The text file of an image, in the first place that has one; None if there is none."""
    names = [image.stem + suffix for suffix in _SUFFIXES]
    places = starmap(os.path.join, product(_label_folders(folder_of(image)), names))
    found = next(filter(os.path.isfile, places), None)  # a `Path` of each would take longer
    return Path(found) if found else None


def label_places(image: Path) -> list[Path]:
    """Where the text file of an image may be: in `labels` in place of an `images`, or beside it.

    Of several folders `images` above the image, the nearest is replaced first.
    """
    return [folder / f"{image.stem}.txt" for folder in _label_folders(folder_of(image))]


@lru_cache(maxsize=1024)  # most images share their folder with others
def _label_folders(folder_of_image: str) -> tuple[Path, ...]:
    image_folder = Path(folder_of_image)
    folders = [
        folder.with_name(name) / image_folder.relative_to(folder)
        for folder in (image_folder, *image_folder.parents)
        if folder.name.lower() in _IMAGE_FOLDERS
        for name in _LABEL_FOLDERS
    ]
    return (*folders, image_folder)


def text_files(folder: Path) -> list[Path]:
    """The text files in a folder, sorted."""
    with suppress(OSError):
        return in_order(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
    return []


def image_stems(folder: Path) -> set[str]:
    """The stems of the images that the text files in a folder may belong to."""
    image_folders = [folder]
    for labels in (folder, *folder.parents):
        if labels.name in _LABEL_FOLDERS and labels.parent.is_dir():
            below = folder.relative_to(labels)
            siblings = labels.parent.iterdir()
            image_folders += [
                path / below for path in siblings if path.name.lower() in _IMAGE_FOLDERS
            ]
    files = (path for folder in image_folders if folder.is_dir() for path in folder.iterdir())
    return {path.stem for path in files if is_image_name(path.name)}
