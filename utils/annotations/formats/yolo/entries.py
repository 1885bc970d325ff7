"""The images of YOLO data sets and their text files."""

from collections.abc import Iterable, Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path

from utils.annotations.formats.yolo.classes import Names
from utils.annotations.formats.yolo.label_files import (
    existing_label_file,
    image_stems,
    label_places,
    text_files,
)
from utils.annotations.formats.yolo.labels import has_objects, read_labels
from utils.annotations.raw import Entry, Finding, Problem, RawDataSet
from utils.files.folders import folder_of


def fill(
    data_set: RawDataSet,
    by_split: Mapping[str, Iterable[Path]],
    names_of: Mapping[Path, Names | None] | None = None,
    key_points: int = 0,
) -> None:
    """Add the entries, a note on images without text files, and text files without an image.

    Args:
        data_set: receives them.
        by_split: the images of each split.
        names_of: the class names for each folder of text files; those of the data set if None.
        key_points: how many numbers for key points follow each box.
    """
    names_in: dict[str, tuple[Names | None, str]] = {}
    unlabeled: list[Path] = []
    for split, images in by_split.items():
        for image in images:
            label = existing_label_file(image)
            if label is None:
                label = label_places(image)[0]
                unlabeled.append(image)
            folder = folder_of(label)
            if folder not in names_in:
                names = data_set.class_names if names_of is None else names_of[label.parent]
                names_in[folder] = names, _hash_of(names, key_points)
            names, key = names_in[folder]
            read = partial(read_labels, label, names, key_points)
            data_set.splits[split].append(Entry(image, label, read, cache_key=key))
    if unlabeled:
        places = " or ".join(map(str, dict.fromkeys(_likely_places(unlabeled[0]))))
        data_set.notes.append(
            f"images without a text file, used as background: {len(unlabeled)}; for "
            f"{unlabeled[0]} it was looked for as {places}"
        )
    for folder in sorted(map(Path, names_in)):
        stems = image_stems(folder)
        for path in text_files(folder):
            if path.stem not in stems and has_objects(path):
                detail = f"no image {path.stem}.* belongs to this text file"
                data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, "", detail))


def _hash_of(names: Names | None, key_points: int) -> str:
    """A hash of what the objects of a text file depend on besides the file."""
    return blake2b(repr((names, key_points)).encode("utf-8", "replace"), digest_size=8).hexdigest()


def _likely_places(image: Path) -> list[Path]:
    """The first and the last place where the text file of an image is looked for."""
    places = label_places(image)
    return [places[0], places[-1]]
