"""LabelMe JSON: one file per image, with rectangles, polygons and other shapes in pixels.

Every shape becomes the box around it; shapes of one class with the same `group_id` are parts of one
object. The copy of the image inside a file (`imageData`) is not used.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeGuard

from utils.annotations.exports.data_set import OTHER_CONTENT, not_annotated
from utils.annotations.exports.listing import numbered, read_objects
from utils.annotations.exports.parsing import mentions, read_json
from utils.annotations.exports.shapes import (
    Corners,
    around_ellipse,
    around_points,
    in_object,
    number,
    read_class,
    read_pairs,
    read_size,
)
from utils.annotations.image_files import ImageIndex, ImagesBelow, files_below
from utils.annotations.raw import (
    Annotation,
    AnnotationError,
    DataFormat,
    Entry,
    Finding,
    Problem,
    RawDataSet,
    RawObject,
)
from utils.annotations.split_names import first_split, split_of_folder
from utils.printable import brief


def read_folder(root: Path) -> list[RawDataSet]:
    """Read the LabelMe files below a folder."""
    data_set = _read_files(files_below(root, ".json"), root)
    if data_set is None:
        return []
    entries = (entry for entries in data_set.splits.values() for entry in entries)
    data_set.findings += not_annotated(root, entries)
    return [data_set]


def read_file(path: Path) -> list[RawDataSet]:
    """Read a single LabelMe file."""
    data_set = _read_files([path], path.parent) if path.suffix.lower() == ".json" else None
    return [data_set] if data_set else []


LABELME_JSON = DataFormat("*.json of each image (LabelMe)", read_folder, "", read_file)


def _read_files(files: Sequence[Path], root: Path) -> RawDataSet | None:
    """Match each file with its image; None if no file is LabelMe's."""
    if not any(map(_is_labelme, files)):
        return None
    data_set, others = RawDataSet("LabelMe JSON"), []
    finder = _ImageFinder(root)
    for path in files:
        try:
            image = finder.find(path)
        except AnnotationError as error:
            data_set.findings.append(error.finding)
            continue
        if image is None:
            others.append(path)
            continue
        split = first_split(split_of_folder(p.parent, root) for p in (path, image))
        read = partial(read_labelme, path)
        data_set.splits[split].append(Entry(image, path, read, cache_key=""))
    data_set.unused |= dict.fromkeys(others, OTHER_CONTENT)
    return data_set


class _ImageFinder:
    """Finds the image of a file: the one beside it with the same stem, or else its `imagePath`."""

    def __init__(self, root: Path) -> None:
        self._index = ImageIndex(files_below(root))
        self._below = ImagesBelow(root)

    def find(self, path: Path) -> Path | None:
        """The image of a file; None if this is no LabelMe file.

        Raises:
            AnnotationError: the file cannot be read, or there is no such image.
        """
        with_stem = self._index.find(path.stem)
        beside = [image for image in with_stem if image.parent == path.parent]
        if len(beside) == 1:  # as LabelMe names its files; most need not be read for this
            return beside[0]
        if not mentions(path, *_WORDS):
            return None
        content = read_json(path)
        if not _has_shapes(content):
            return None
        name = content["imagePath"]
        named = self._below.find(name, path, is_unique=True) if isinstance(name, str) else None
        image = named or (with_stem[0] if len(with_stem) == 1 else None)
        if image is None:
            copy = "; its copy in imageData is not used" if content.get("imageData") else ""
            count = len(content["shapes"])
            detail = (
                f"no file {brief(name)} below {self._below.root}; objects lost with it: {count}"
            )
            raise AnnotationError(Finding(Problem.MISSING_IMAGE, path, "", detail + copy))
        return image


_WORDS = ('"shapes"', '"imagePath"')


def _is_labelme(path: Path) -> bool:
    with suppress(AnnotationError):
        return mentions(path, *_WORDS) and _has_shapes(read_json(path))
    return False


def _has_shapes(content: object) -> TypeGuard[dict]:
    return (
        isinstance(content, dict)
        and isinstance(content.get("shapes"), list)
        and "imagePath" in content
    )


def read_labelme(path: Path) -> Annotation:
    """Read one file.

    Raises:
        AnnotationError: the file cannot be read or is not LabelMe's.
    """
    content = read_json(path)
    if not _has_shapes(content):
        detail = "not LabelMe; expected a list 'shapes' and 'imagePath'"
        raise AnnotationError(Finding(Problem.BAD_ANNOTATION, path, "", detail))
    shapes = numbered(content["shapes"])
    size = read_size(content, "imageWidth", "imageHeight")
    annotation = read_objects(shapes, path, _read_shape, size)
    return replace(annotation, objects=_join(annotation.objects, dict(shapes)))


def _join(objects: list[RawObject], shapes: dict[str, dict]) -> list[RawObject]:
    """Join the objects of one class and one group; `shapes` has the shapes by position."""
    joined: dict[object, RawObject] = {}
    for one in objects:
        group = shapes[one.where].get("group_id")
        key = (one.category, group) if isinstance(group, int | str) else one.where
        if key in joined:
            x1, y1, x2, y2 = zip(joined[key].corners, one.corners, strict=True)
            joined[key] = joined[key]._replace(corners=around_points([*x1, *x2], [*y1, *y2]))
        else:
            joined[key] = one
    return list(joined.values())


def _read_shape(shape: object, where: str) -> RawObject:
    if not isinstance(shape, dict):
        raise ValueError(f"{brief(shape)}; expected a shape")
    category = read_class(shape, "label")
    with in_object(category):
        # The first versions of LabelMe had polygons only.
        kind = shape.get("shape_type") or "polygon"
        if not isinstance(kind, str) or kind not in _BOXES:
            raise ValueError(f"shape_type {brief(kind)} has no box; expected {', '.join(_BOXES)}")
        corners = _BOXES[kind](shape.get("points"))
    return RawObject(category, corners, where, bool(shape.get("difficult")))


def _points(points: object) -> Corners:
    return around_points(*read_pairs(points))


def _circle(points: object) -> Corners:
    """The box around a circle: its center and a point on it."""
    xs, ys = read_pairs(points)
    if len(xs) != 2:
        raise ValueError(
            f"number of points {len(xs)}; expected 2, the center and one on the circle"
        )
    x, edge_x = (number(value, "x") for value in xs)
    y, edge_y = (number(value, "y") for value in ys)
    radius = math.hypot(edge_x - x, edge_y - y)
    return around_ellipse(x, y, radius, radius, 0.0)


def _mask(points: object) -> Corners:
    """The box of a mask, whose points are its first and its last pixel."""
    x1, y1, x2, y2 = _points(points)
    return (x1, y1, x2 + 1, y2 + 1)


_BOXES = {
    "rectangle": _points,
    "polygon": _points,
    "circle": _circle,
    "line": _points,
    "linestrip": _points,
    "mask": _mask,
    "rotation": _points,
    "oriented_rectangle": _points,
}
