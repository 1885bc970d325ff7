"""CreateML JSON: a list of images, each box as its center, width and height in pixels."""

from functools import partial
from pathlib import Path

from utils.annotations.exports.data_set import read_listings
from utils.annotations.exports.listing import ListedImage, Listing, numbered, read_objects
from utils.annotations.exports.parsing import mentions, read_json
from utils.annotations.exports.shapes import in_object, numbers, read_class
from utils.annotations.raw import DataFormat, Problem, RawObject
from utils.printable import brief

# Apple's documentation has both names of either key.
_IMAGE = ("image", "imagefilename")
_ANNOTATIONS = ("annotations", "annotation")


def parse(path: Path) -> Listing | None:
    """Read one file; None if it is not a list of images with annotations."""
    if not mentions(path, '"image', '"annotation'):
        return None
    content = read_json(path)
    if not isinstance(content, list) or not any(map(_is_image, content)):
        return None
    listing = Listing(path)
    for number, item in enumerate(content, start=1):
        where, name, objects = f"image {number}", _value(item, _IMAGE), _value(item, _ANNOTATIONS)
        if isinstance(name, str) and isinstance(objects, list):
            annotation = read_objects(numbered(objects, where), path, _read_object)
            listing.images.append(ListedImage(name, where, annotation))
        else:
            detail = f"{brief(item)}; expected 'image' and a list 'annotations'"
            listing.report(Problem.BAD_ANNOTATION, where, detail)
    return listing


_read = partial(read_listings, "CreateML JSON", ".json", parse)
CREATEML_JSON = DataFormat("*.json (CreateML)", _read, "a CreateML .json", _read)


def _value(item: object, names: tuple[str, ...]) -> object:
    found = (item[name] for name in names if name in item) if isinstance(item, dict) else ()
    return next(iter(found), None)


def _is_image(item: object) -> bool:
    return _value(item, _IMAGE) is not None and _value(item, _ANNOTATIONS) is not None


def _read_object(item: object, where: str) -> RawObject:
    if not isinstance(item, dict):
        raise ValueError(f"{brief(item)}; expected a label and coordinates")
    category = read_class(item, "label")
    with in_object(category):
        coordinates = item.get("coordinates")
        if not isinstance(coordinates, dict):
            raise ValueError(f"coordinates are {brief(coordinates)}; expected x, y, width, height")
        x, y, width, height = numbers(coordinates, "x", "y", "width", "height")
    corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return RawObject(category, corners, where)
