"""Annotation files that each list many images, as most annotation tools export them.

A format says how to parse one file; what all of them need is here: finding the files and the
images, the splits, and a report of what was not used.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from utils.annotations.image_files import ImagesBelow, files_below, path_parts, split_of
from utils.annotations.raw import (
    UNSPLIT,
    Annotation,
    AnnotationError,
    Entry,
    Finding,
    Problem,
    RawDataSet,
    RawObject,
)
from utils.annotations.shapes import shown
from utils.errors import UserError
from utils.image import IMAGE_SUFFIXES, is_image_name

Item = TypeVar("Item")
# The images of an annotation file in such a folder may be beside the folder.
_FOLDERS_BESIDE_IMAGES = ("annotations", "annotation", "labels", "data")


@dataclass(frozen=True)
class ListedImage:
    """What an annotation file states about one image.

    Attributes:
        name: the path of the image as written, or its name without a suffix.
        where: its position in the file, for messages.
        annotation: its objects.
        split_names: names that may mention its split, the most specific one first.
    """

    name: str
    where: str
    annotation: Annotation
    split_names: tuple[str, ...] = ()


@dataclass
class Listing:
    """The content of an annotation file.

    Attributes:
        path: the file.
        images: the images in the order of the file.
        findings: what is wrong with the file, apart from the images' own findings.
        notes: sentences for the report.
        class_names: the file's own list of classes, empty if it has none.
    """

    path: Path
    images: list[ListedImage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    class_names: tuple[str, ...] = ()

    def report(self, problem: Problem, where: str, detail: str) -> None:
        """Add a finding about a place in this file."""
        self.findings.append(Finding(problem, self.path, where, detail))


# Parses a file; None if it has another format. Raises AnnotationError if it cannot be read.
Parse = Callable[[Path], Listing | None]


def read_listings(format: str, suffix: str, parse: Parse, path: Path) -> list[RawDataSet]:
    """Read the data set in a folder, or in a single file.

    Args:
        format: the name of the format, for people.
        suffix: the suffix of the annotation files, in lower case.
        parse: parses one of them.
        path: the folder or the file.

    Raises:
        UserError: the single file cannot be read.
    """
    is_folder = path.is_dir()
    listings = _parse_folder(path, suffix, parse) if is_folder else _parse_file(path, suffix, parse)
    if not listings:
        return []
    data_set = _make_data_set(format, listings, path if is_folder else _root_of(path))
    if is_folder:
        entries = (entry for entries in data_set.splits.values() for entry in entries)
        data_set.findings += not_annotated(path, entries)
    return [data_set]


def _parse_folder(root: Path, suffix: str, parse: Parse) -> list[Listing]:
    """Parse all files below a folder; those that cannot be used are reported as well."""
    listings, broken, others = [], [], []
    for path in files_below(root, suffix):
        try:
            listing = parse(path)
        except AnnotationError as error:
            broken.append(Listing(path, findings=[error.finding]))
        else:
            listings += [listing] if listing else []
            others += [] if listing else [path]
    if not listings:
        return []
    if others:
        listings[-1].notes.append(describe_others(others, root))
    return listings + broken


def describe_others(paths: Sequence[Path], root: Path) -> str:
    """A note about files of another content."""
    names = ", ".join(str(path.relative_to(root)) for path in paths[:3])
    names += ", ..." if len(paths) > 3 else ""
    return f"{paths[0].suffix} files with other content, not used: {len(paths)} ({names})"


def _parse_file(path: Path, suffix: str, parse: Parse) -> list[Listing]:
    try:
        listing = parse(path) if path.suffix.lower() == suffix else None
    except AnnotationError as error:
        raise UserError(str(error)) from error
    return [listing] if listing else []


def _root_of(path: Path) -> Path:
    """The folder to search for the images of a single annotation file."""
    folder = path.absolute().parent
    return folder.parent if folder.name.lower() in _FOLDERS_BESIDE_IMAGES else path.parent


def _make_data_set(format: str, listings: Sequence[Listing], root: Path) -> RawDataSet:
    """Make a data set of annotation files, whose images are below a root.

    The split of an image is the one that the file states for it, or that the name of the file or of
    a folder on the way to it mentions, or else a folder on the way to the image. An image that
    several files list is taken from those that define a split.
    """
    data_set = RawDataSet(format)
    images = ImagesBelow(root)
    found: list[tuple[Path, str, Entry]] = []
    for listing in listings:
        data_set.findings += listing.findings
        data_set.notes += listing.notes
        found += [(listing.path, *item) for item in _entries(listing, images, data_set)]
    names = dict.fromkeys(name for listing in listings for name in listing.class_names)
    data_set.class_names = tuple(names) or None
    in_a_split = {entry.image for _, split, entry in found if split != UNSPLIT}
    unused: Counter[Path] = Counter()
    for path, split, entry in found:
        if split == UNSPLIT and entry.image in in_a_split:
            unused[path] += 1
        else:
            data_set.splits[split].append(entry)
    data_set.notes += [
        f"images of {path} that files with a split list too, used from there: {count}"
        for path, count in unused.items()
    ]
    return data_set


def _entries(
    listing: Listing, images: ImagesBelow, data_set: RawDataSet
) -> Iterable[tuple[str, Entry]]:
    """The entries of a file and their splits; images that do not exist become findings."""
    path, root = listing.path, images.root
    counts = Counter(path_parts(name)[-1] for name in {image.name for image in listing.images})
    for item in listing.images:
        is_unique = counts[path_parts(item.name)[-1]] == 1
        image = _find(images, item.name, path, is_unique)
        if image is None:
            count = len(item.annotation.objects) + len(item.annotation.findings)
            detail = f"no file {shown(item.name)} below {root}; objects lost with it: {count}"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, item.where, detail))
            continue
        split = split_of(
            [*item.split_names, path.stem, *folders(path, root), *folders(image, root)]
        )
        yield split, Entry(image, path, lambda annotation=item.annotation: annotation)


def _find(images: ImagesBelow, name: str, path: Path, is_unique: bool) -> Path | None:
    """Find an image by its path, its file name, or its name without the suffix."""
    names = [name]
    if name and not is_image_name(path_parts(name)[-1]):
        names += [name + suffix for suffix in sorted(IMAGE_SUFFIXES)]
    found = (images.find(spelling, path, is_unique) for spelling in names)
    return next(filter(None, found), None)


def numbered(items: Iterable[Item], image: str = "") -> list[tuple[str, Item]]:
    """Objects and their positions in an image, whose position in its file may come first."""
    prefix = f"{image}, " if image else ""
    return [(f"{prefix}object {number}", item) for number, item in enumerate(items, start=1)]


def read_objects(
    items: Iterable[tuple[str, Item]],
    file: Path,
    read: Callable[[Item, str], RawObject],
    size: tuple[int, int] | None = None,
) -> Annotation:
    """Read the objects of an image; those that cannot be read become findings.

    Args:
        items: the position of each object, and the object as written.
        file: the file that they are in.
        read: reads an object, given its position; raises ValueError.
        size: width and height of the image as the file states them.
    """
    annotation = Annotation([], [], size)
    for where, item in items:
        try:
            annotation.objects.append(read(item, where))
        except ValueError as error:
            annotation.findings.append(Finding(Problem.BAD_OBJECT, file, where, str(error)))
    return annotation


def folders(path: Path, root: Path) -> list[str]:
    """The names of the folders from a file up to a root, the nearest first."""
    parent, base = _absolute(path).parent, _absolute(root)
    return [*reversed(parent.relative_to(base).parts)] if parent.is_relative_to(base) else []


def not_annotated(root: Path, entries: Iterable[Entry]) -> list[Finding]:
    """Findings about the images below a root that are not among those of the entries."""
    known = {_absolute(entry.image) for entry in entries}
    return [
        Finding(Problem.MISSING_ANNOTATION, path, "", "no annotation file lists it")
        for path in files_below(root)
        if is_image_name(path.name) and _absolute(path) not in known
    ]


def _absolute(path: Path) -> Path:
    """The absolute path without "..", links as they are."""
    return Path(os.path.normpath(path.absolute()))
