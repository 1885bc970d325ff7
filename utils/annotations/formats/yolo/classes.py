"""The class names beside YOLO's text files: classes.txt or a .names file."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from utils.errors import UserError
from utils.text import read_class_names

Names = tuple[str, ...]


def class_names_of(root: Path, label_folders: Iterable[Path]) -> dict[Path, Names | None]:
    """The class names that number the objects in each folder of text files.

    They are in the folder, in a folder above it up to the root, or in the root's `labels`. If all
    such files of a data set agree, they hold for every folder.

    Raises:
        UserError: files differ, and nothing tells which of them a folder belongs to.
    """
    folders = list(dict.fromkeys(label_folders))
    places = {folder: [folder, *_parents_below(folder, root)] for folder in folders}
    found = {path: read_class_names(path) for path in class_files(root, folders)}
    if len(set(found.values())) <= 1:
        return dict.fromkeys(folders, next(iter(found.values()), None))
    return {folder: _own(folder, places[folder], found) for folder in folders}


def class_files(root: Path, label_folders: Iterable[Path]) -> list[Path]:
    """The files of class names that `class_names_of` reads."""
    above = (p for folder in label_folders for p in (folder, *_parents_below(folder, root)))
    return [
        path
        for place in dict.fromkeys([root, root / "labels", *above])
        for path in (place / "classes.txt", *sorted(place.glob("*.names")))
        if path.is_file()
    ]


def all_names(names_of: Mapping[Path, Names | None]) -> Names | None:
    """The class names of all folders, None if no folder has any."""
    lists = [names for names in names_of.values() if names is not None]
    return tuple(dict.fromkeys(name for names in lists for name in names)) if lists else None


def _parents_below(folder: Path, root: Path) -> list[Path]:
    return [parent for parent in folder.parents if parent.is_relative_to(root)]


def _own(folder: Path, places: list[Path], found: Mapping[Path, Names]) -> Names:
    """The names that the files in a folder and above it agree on."""
    above = {path: names for path, names in found.items() if path.parent in places}
    candidates = above or found
    first, *others = candidates
    for other in others:
        if candidates[other] != candidates[first]:
            raise UserError(
                f"{first} and {other} list different classes, and both may number the objects in "
                f"{folder}; expected one list"
            )
    return candidates[first]
