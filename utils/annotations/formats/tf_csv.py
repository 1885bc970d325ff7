"""CSV of the TensorFlow Object Detection API: one object per line, under a header.

The columns are found by their names, in any order and case: filename, class, xmin, ymin, xmax, ymax
and, if present, width and height of the image and whether the object is difficult. Open Images has
the same columns under other names. Coordinates are pixels or fractions of the image.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from utils.annotations.exports.data_set import read_listings
from utils.annotations.exports.listing import ListedImage, Listing
from utils.annotations.exports.parsing import read_table
from utils.annotations.exports.shapes import in_object, numbers, read_class, read_size
from utils.annotations.raw import Annotation, DataFormat, Finding, Problem, RawObject

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_REQUIRED = ("filename", "class", *_CORNERS)
# The titles of each column without case and punctuation; if several occur, the first counts.
_TITLES = {
    "filename": ("filename", "filepath", "path", "imagename", "imagepath", "imageid", "image"),
    "class": ("class", "classname", "label", "labelname", "category", "categoryname", "name"),
    "xmin": ("xmin", "x1", "left"),
    "ymin": ("ymin", "y1", "top"),
    "xmax": ("xmax", "x2", "right"),
    "ymax": ("ymax", "y2", "bottom"),
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
    "difficult": ("difficult", "iscrowd", "isgroupof"),
}
# A fraction may reach a little over 1; a box of pixels that ends below this would be no object.
_MAX_FRACTION = 1.5


def parse(path: Path) -> Listing | None:
    """Read one file; None if its header lacks a column."""
    table = read_table(path)
    titles = {
        column: next((name for name in names if name in table.columns), "")
        for column, names in _TITLES.items()
    }
    if not all(titles[column] for column in _REQUIRED):
        return None
    listing = Listing(path)
    images: dict[str, tuple[str, Annotation]] = {}
    for where, fields in table.rows:
        row = {column: fields.get(title, "") for column, title in titles.items()}
        _read_row(listing, images, row, where)
    listing.findings += table.findings
    relative = _are_fractions(one for _, item in images.values() for one in item.objects)
    if relative:
        listing.notes.append(f"coordinates in {path} are fractions of the images")
    listing.images = [
        ListedImage(name, where, replace(annotation, relative=relative))
        for name, (where, annotation) in images.items()
    ]
    return listing


_read = partial(read_listings, "TensorFlow CSV", ".csv", parse)
_COLUMNS = ", ".join(_REQUIRED)
TF_CSV = DataFormat(
    f"*.csv with columns {_COLUMNS} (TensorFlow)", _read, f"a .csv with columns {_COLUMNS}", _read
)


def _read_row(
    listing: Listing, images: dict[str, tuple[str, Annotation]], row: dict[str, str], where: str
) -> None:
    """Add the object of a line to its image; a line with a file name alone is background."""
    name = row["filename"]
    if not name:
        listing.report(Problem.BAD_OBJECT, where, "no file name")
        return
    new = (where, Annotation([], [], read_size(row, "width", "height")))
    _, annotation = images.setdefault(name, new)
    if not any(row[column] for column in _REQUIRED[1:]):
        return
    try:
        category = read_class(row, "class")
        with in_object(category):
            x1, y1, x2, y2 = numbers(row, *_CORNERS)
    except ValueError as error:
        annotation.findings.append(Finding(Problem.BAD_OBJECT, listing.path, where, str(error)))
        return
    difficult = row["difficult"].lower() in ("1", "true")
    annotation.objects.append(RawObject(category, (x1, y1, x2, y2), where, difficult))


def _are_fractions(objects: Iterable[RawObject]) -> bool:
    """Whether most boxes end within a pixel or so of the corner, as only fractions do."""
    votes = [max(map(abs, one.corners)) <= _MAX_FRACTION for one in objects]
    return sum(votes) > len(votes) / 2
