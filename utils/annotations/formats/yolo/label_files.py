"""Where the text file of an image is, and where the images of a text file are."""

from collections.abc import Iterator
from pathlib import Path

from utils.image import is_image_name

_IMAGE_FOLDERS = ("images", "jpegimages")
_LABEL_FOLDERS = ("labels", "Labels", "LABELS")
_SUFFIXES = (".txt", ".TXT")


def label_file(image: Path) -> Path:
    """The text file of an image: the first place that has one, or else the first place."""
    places = list(label_places(image))
    found = (place.with_suffix(suffix) for place in places for suffix in _SUFFIXES)
    return next(filter(Path.is_file, found), places[0])


def label_places(image: Path) -> Iterator[Path]:
    """Where the text file of an image may be: in `labels` in place of an `images`, or beside it.

    Of several folders `images` above the image, the nearest is replaced first.
    """
    beside = image.with_suffix(".txt")
    for folder in image.parents:
        if folder.name.lower() in _IMAGE_FOLDERS:
            for name in _LABEL_FOLDERS:
                yield folder.with_name(name) / beside.relative_to(folder)
    yield beside


def text_files(folder: Path) -> list[Path]:
    """The text files in a folder, sorted."""
    return sorted(path for path in folder.glob("*") if path.suffix in _SUFFIXES)


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
