"""Makes data sets of annotation files that each list many images.

A format says how to parse one file; what all of them need is here: finding the files and the
images, the splits, and a report of what was not used.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from utils.annotations.exports.listing import Listing
from utils.annotations.image_files import ImagesBelow, files_below, path_parts
from utils.annotations.raw import UNSPLIT, AnnotationError, Entry, Finding, Problem, RawDataSet
from utils.annotations.split_names import first_split, split_of, split_of_folder
from utils.errors import UserError
from utils.image import IMAGE_SUFFIXES, is_image_name
from utils.printable import brief

OTHER_CONTENT = "other content"
# The images of an annotation file in such a folder may be beside the folder.
_FOLDERS_BESIDE_IMAGES = ("annotations", "annotation", "labels", "data")

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
    listings[0].unused |= dict.fromkeys(others, OTHER_CONTENT)
    return listings + broken


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
    a folder on the way to it mentions, or else a folder on the way to the image.

    Raises:
        UserError: two files of a split annotate the same image.
    """
    data_set = RawDataSet(format)
    images = ImagesBelow(root)
    found: dict[Path, list[tuple[str, Entry]]] = {}
    for listing in listings:
        data_set.findings += listing.findings
        data_set.notes += listing.notes
        data_set.unused |= listing.unused
        found[listing.path] = list(_entries(listing, images, data_set))
    names = dict.fromkeys(name for listing in listings for name in listing.class_names)
    data_set.class_names = tuple(names) or None
    _leave_out_summaries(found, data_set.unused)
    _refuse_two_of_an_image(found)
    for path, entries in found.items():
        data_set.files += [path] if entries else []
        for split, entry in entries:
            data_set.splits[split].append(entry)
    return data_set


def _leave_out_summaries(
    found: dict[Path, list[tuple[str, Entry]]], unused: dict[Path, str]
) -> None:
    """Leave out a file without splits if the files of single splits annotate its images, too."""
    splits_of = {path: {split for split, _ in entries} for path, entries in found.items()}
    in_splits = {
        entry.image for entries in found.values() for split, entry in entries if split != UNSPLIT
    }
    for path, splits in splits_of.items():
        if splits == {UNSPLIT} and in_splits.issuperset(entry.image for _, entry in found[path]):
            del found[path]
            unused[path] = "files of single splits annotate the same images"


def _refuse_two_of_an_image(found: dict[Path, list[tuple[str, Entry]]]) -> None:
    """Images in two different splits are reported and resolved later, but not these."""
    first: dict[Path, tuple[Path, str]] = {}
    for path, entries in found.items():
        for split, entry in entries:
            other, other_split = first.setdefault(entry.image, (path, split))
            if other != path and (split == other_split or UNSPLIT in (split, other_split)):
                raise UserError(
                    f"{other} and {path} both annotate {entry.image}; expected one file for each"
                    f" image: name the files to read, such as --data {other}"
                )


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
            detail = f"no file {brief(item.name)} below {root}; objects lost with it: {count}"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, item.where, detail))
            continue
        split = first_split(
            (
                split_of([*item.split_names, path.stem]),
                split_of_folder(path.parent, root),
                split_of_folder(image.parent, root),
            )
        )
        yield split, Entry(image, path, lambda annotation=item.annotation: annotation)


def _find(images: ImagesBelow, name: str, path: Path, is_unique: bool) -> Path | None:
    """Find an image by its path, its file name, or its name without the suffix."""
    names = [name]
    if name and not is_image_name(path_parts(name)[-1]):
        names += [name + suffix for suffix in sorted(IMAGE_SUFFIXES)]
    found = (images.find(spelling, path, is_unique) for spelling in names)
    return next(filter(None, found), None)


def not_annotated(root: Path, entries: Iterable[Entry]) -> list[Finding]:
    """Findings about images beside those of the entries, below a root, that are not among them."""
    known = {_absolute(entry.image) for entry in entries}
    folders = {image.parent for image in known}
    return [
        Finding(Problem.MISSING_ANNOTATION, path, "", "no annotation file lists it")
        for path in files_below(root)
        if is_image_name(path.name) and _absolute(path) not in known
        if _absolute(path).parent in folders
    ]


def _absolute(path: Path) -> Path:
    """The absolute path without "..", links as they are."""
    return Path(os.path.normpath(path.absolute()))
