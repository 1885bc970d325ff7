"""VIA (VGG Image Annotator) 1 and 2: projects and exports as JSON, and exports as CSV, in pixels.

Every region becomes the box around it. VIA has no classes but attributes that its users name, so
one of them has to be chosen: see `class_attribute`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from utils.annotations.exports.data_set import read_listings
from utils.annotations.exports.listing import ListedImage, Listing, numbered, read_objects
from utils.annotations.exports.parsing import mentions, read_json, read_table
from utils.annotations.exports.shapes import (
    Corners,
    around_ellipse,
    around_points,
    in_object,
    numbers,
    read_class,
)
from utils.annotations.image_files import files_below
from utils.annotations.raw import AnnotationError, DataFormat, Finding, RawDataSet, RawObject
from utils.errors import FileError
from utils.files.reading import parse_json
from utils.printable import brief

# Usual names of the attribute that holds the class, without case and punctuation; best first.
_CLASS_ATTRIBUTES = ("class", "classname", "label", "labelname", "category", "categoryname")
_CLASS_ATTRIBUTES += ("object", "objectname", "type", "name")
_ONLY_CLASS = "object"
_COLUMNS = {"filename", "regionshapeattributes", "regionattributes"}


@dataclass(frozen=True)
class _Image:
    """An image of a file: its name, its position, and its regions with their positions."""

    name: str
    where: str
    regions: list[tuple[str, object]]


@dataclass(frozen=True)
class _File:
    """What a file states, and what is wrong with it apart from regions."""

    images: list[_Image]
    findings: list[Finding]


_Load = Callable[[Path], _File | None]


def load_json(path: Path) -> _File | None:
    """Read a project or an export; None if the file is something else."""
    if not mentions(path, '"filename"', '"regions"'):
        return None
    content = read_json(path)
    items = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(items, dict) or not any(map(_is_image, items.values())):
        return None
    images = []
    for count, (key, item) in enumerate(items.items(), start=1):
        where = f"image {count}"
        regions = item["regions"] if _is_image(item) else [item]
        regions = list(regions.values()) if isinstance(regions, dict) else regions  # VIA 1
        regions = regions if isinstance(regions, list) else [regions]
        name = str(item["filename"]) if _is_image(item) else key
        images.append(_Image(name, where, numbered(regions, where)))
    return _File(images, [])


def _is_image(item: object) -> bool:
    return isinstance(item, dict) and "filename" in item and "regions" in item


def load_csv(path: Path) -> _File | None:
    """Read an export as CSV; None if the file has other columns."""
    table = read_table(path)
    if not _COLUMNS.issubset(table.columns):
        return None
    images: dict[str, _Image] = {}
    for where, row in table.rows:
        name = row["filename"]
        image = images.setdefault(name, _Image(name, where, []))
        texts = row.get("regionshapeattributes", ""), row.get("regionattributes", "")
        try:
            shape, attributes = (parse_json(text or "{}", path) for text in texts)
        except FileError:
            image.regions.append((where, " ".join(texts)))
            continue
        if shape or attributes:  # else the image has no region
            image.regions.append(
                (where, {"shape_attributes": shape, "region_attributes": attributes})
            )
    return _File(list(images.values()), table.findings)


def read_via(format: str, suffix: str, load: _Load, root: Path) -> list[RawDataSet]:
    """Read a folder, or a single file, whose class attribute is chosen over all files."""
    loaded: dict[Path, _File | None] = {}
    for path in files_below(root, suffix) if root.is_dir() else [root]:
        with suppress(AnnotationError):  # raised again below
            loaded[path] = load(path) if path.suffix.lower() == suffix else None
    images = [image for file in loaded.values() if file for image in file.images]
    if not images:
        return []
    attribute, note = class_attribute(region for image in images for _, region in image.regions)

    def parse(path: Path) -> Listing | None:
        file = loaded[path] if path in loaded else load(path)
        return _listing(path, file, attribute) if file else None

    data_sets = read_listings(format, suffix, parse, root)
    for data_set in data_sets:
        data_set.notes.append(note)
    return data_sets


_read_json = partial(read_via, "VIA JSON", ".json", load_json)
_read_csv = partial(read_via, "VIA CSV", ".csv", load_csv)
VIA_JSON = DataFormat("*.json (VIA)", _read_json, "a VIA .json", _read_json)
VIA_CSV = DataFormat("*.csv (VIA)", _read_csv, "a VIA .csv", _read_csv)


def class_attribute(regions: Iterable[object]) -> tuple[str | None, str]:
    """Choose the region attribute that holds the class, and say so in a note.

    Of the attributes that at least half as many regions have as the most frequent one, it is the
    one with the most usual name, or else the most frequent one. Without any attribute there is one
    class.
    """
    counts: Counter[str] = Counter()
    for region in regions:
        attributes = region.get("region_attributes") if isinstance(region, dict) else None
        if isinstance(attributes, dict):
            counts.update(name for name in attributes if _options(attributes[name]))
    if not counts:
        return None, f"no region has an attribute, so all are of one class, {_ONLY_CLASS!r}"

    def rank(name: str) -> tuple:
        plain = "".join(filter(str.isalnum, name.casefold()))
        usual = plain in _CLASS_ATTRIBUTES
        return (_CLASS_ATTRIBUTES.index(plain) if usual else 99, -counts[name], name)

    often = (name for name in counts if 2 * counts[name] >= max(counts.values()))
    chosen = min(often, key=rank)
    note = f"the classes are the region attribute {chosen!r}"
    others = ", ".join(sorted(counts.keys() - {chosen}))
    return chosen, f"{note}; not used: {others}" if others else note


def _options(value: object) -> list[object]:
    """The values of an attribute: none, one, or those that are ticked."""
    if isinstance(value, dict):
        return [option for option, ticked in value.items() if ticked is True]
    return [] if value is None or value == "" else [value]


def _listing(path: Path, file: _File, attribute: str | None) -> Listing:
    read = partial(_read_region, attribute=attribute)
    images = [
        ListedImage(image.name, image.where, read_objects(image.regions, path, read))
        for image in file.images
    ]
    return Listing(path, images, file.findings)


def _read_region(region: object, where: str, attribute: str | None) -> RawObject:
    shape = region.get("shape_attributes") if isinstance(region, dict) else None
    if not isinstance(region, dict) or not isinstance(shape, dict):
        raise ValueError(f"{brief(region)}; expected shape_attributes and region_attributes")
    category = _ONLY_CLASS
    if attribute is not None:
        attributes = region.get("region_attributes")
        options = _options(attributes.get(attribute)) if isinstance(attributes, dict) else []
        if len(options) > 1:
            raise ValueError(f"{attribute} is {brief(options)}; expected one class")
        category = read_class({attribute: next(iter(options), None)}, attribute)
    with in_object(category):
        kind = shape.get("name")
        if not isinstance(kind, str) or kind not in _BOXES:
            raise ValueError(f"shape {brief(kind)} has no box; expected {', '.join(_BOXES)}")
        return RawObject(category, _BOXES[kind](shape), where)


def _rectangle(shape: Mapping[str, object]) -> Corners:
    x, y, width, height = numbers(shape, "x", "y", "width", "height")
    return (x, y, x + width, y + height)


def _circle(shape: Mapping[str, object]) -> Corners:
    x, y, radius = numbers(shape, "cx", "cy", "r")
    return around_ellipse(x, y, radius, radius, 0.0)


def _ellipse(shape: Mapping[str, object]) -> Corners:
    # The first versions of VIA could not turn an ellipse; theta is in radians.
    x, y, x_radius, y_radius, angle = numbers(
        {"theta": 0, **shape}, "cx", "cy", "rx", "ry", "theta"
    )
    return around_ellipse(x, y, x_radius, y_radius, angle)


def _points(shape: Mapping[str, object]) -> Corners:
    xs, ys = shape.get("all_points_x"), shape.get("all_points_y")
    if not isinstance(xs, list) or not isinstance(ys, list):
        raise ValueError("no lists all_points_x and all_points_y")
    return around_points(xs, ys)


_BOXES = {
    "rect": _rectangle,
    "circle": _circle,
    "ellipse": _ellipse,
    "polygon": _points,
    "polyline": _points,
}
