"""CVAT for images 1.1: an XML file that lists images with boxes and other shapes, in pixels.

Every shape becomes the box around it. Tags describe a whole image and are not used.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.annotations.exports.data_set import read_listings
from utils.annotations.exports.listing import ListedImage, Listing, numbered, read_objects
from utils.annotations.exports.parsing import mentions, read_xml
from utils.annotations.exports.shapes import (
    Corners,
    around_ellipse,
    around_points,
    around_rotated,
    in_object,
    numbers,
    read_class,
    read_size,
)
from utils.annotations.raw import Annotation, DataFormat, Problem, RawObject
from utils.errors import UserError
from utils.text import class_name

# The corners of a cuboid: top or bottom, left or right, of its first and its second visible face.
_CUBOID = [f"{vertical}{side}{face}" for vertical in "tb" for side in "lr" for face in "12"]


def parse(path: Path) -> Listing | None:
    """Read one file; None if it is not CVAT's.

    Raises:
        AnnotationError: the file cannot be read.
        UserError: the file is "CVAT for video", which names no images.
    """
    if not mentions(path, "<annotations"):
        return None
    root = read_xml(path)
    images, tracks = root.findall("image"), root.findall("track")
    if root.tag != "annotations" or not (images or tracks):
        return None
    if not images:
        raise UserError(f"{path}: 'CVAT for video'; expected an export as 'CVAT for images 1.1'")
    listing = Listing(path, class_names=_class_names(root))
    for number, track in enumerate(tracks, start=1):
        detail = f"{track.get('label')}: a track of 'CVAT for video' belongs to no image"
        listing.report(Problem.BAD_OBJECT, f"track {number}", detail)
    tasks = _tasks(root)
    for number, image in enumerate(images, start=1):
        where, subset = f"image {number}", image.get("subset", "")
        # A project's images are in folders of their subsets, which the names do not mention.
        name = "/".join(filter(None, (subset, image.get("name", ""))))
        split_names = (subset, *tasks.get(image.get("task_id", ""), ()))
        annotation = _annotate(image, path, where)
        listing.images.append(ListedImage(name, where, annotation, split_names))
    tags = sum(len(image.findall("tag")) for image in images)
    if tags:
        listing.notes.append(f"tags of whole images in {path}, not used: {tags}")
    return listing


_read = partial(read_listings, "CVAT for images", ".xml", parse)
CVAT_XML = DataFormat("annotations.xml (CVAT for images)", _read, "an .xml of CVAT", _read)


def _class_names(root: Element) -> tuple[str, ...]:
    """The labels of the task or project, without those of the points of skeletons."""
    names = {}
    for label in root.iterfind("meta//labels/label"):
        if not label.findtext("parent") and label.findtext("type") != "tag":
            names[class_name(label.findtext("name"))] = None
    return tuple(filter(None, names))


def _tasks(root: Element) -> dict[str, tuple[str, str]]:
    """Subset and name of each task by the task's number; a file of one task needs no number."""
    tasks = [
        (task.findtext("id") or "", (task.findtext("subset") or "", task.findtext("name") or ""))
        for task in root.iterfind("meta//task")
    ]
    return dict(tasks) | ({"": tasks[0][1]} if len(tasks) == 1 else {})


def _annotate(image: Element, path: Path, where: str) -> Annotation:
    shapes = [shape for shape in image if shape.tag != "tag"]
    size = read_size(image.attrib, "width", "height")
    return read_objects(numbered(shapes, where), path, _read_shape, size)


def _read_shape(shape: Element, where: str) -> RawObject:
    if shape.tag not in _BOXES:
        known = ", ".join(_BOXES)
        raise ValueError(f"<{shape.tag}> {shape.get('label')} has no box; expected {known}")
    category = read_class(shape.attrib, "label")
    with in_object(category):
        return RawObject(category, _BOXES[shape.tag](shape.attrib), where)


def _box(shape: Mapping[str, str]) -> Corners:
    x1, y1, x2, y2 = numbers(shape, "xtl", "ytl", "xbr", "ybr")
    return around_rotated((x1, y1, x2, y2), _angle(shape))


def _ellipse(shape: Mapping[str, str]) -> Corners:
    x, y, x_radius, y_radius = numbers(shape, "cx", "cy", "rx", "ry")
    return around_ellipse(x, y, x_radius, y_radius, _angle(shape))


def _angle(shape: Mapping[str, str]) -> float:
    """The rotation about the center, which CVAT writes in degrees if there is one."""
    return math.radians(numbers({"rotation": 0, **shape}, "rotation")[0])


def _points(shape: Mapping[str, str]) -> Corners:
    pairs = [point.split(",") for point in shape.get("points", "").split(";") if point]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("a point of 'points' is not 'x,y'")
    return around_points([x for x, _ in pairs], [y for _, y in pairs])


def _mask(shape: Mapping[str, str]) -> Corners:
    x, y, width, height = numbers(shape, "left", "top", "width", "height")
    return (x, y, x + width, y + height)


def _cuboid(shape: Mapping[str, str]) -> Corners:
    xs, ys = (numbers(shape, *(axis + corner for corner in _CUBOID)) for axis in "xy")
    return around_points(xs, ys)


_BOXES = {
    "box": _box,
    "polygon": _points,
    "polyline": _points,
    "ellipse": _ellipse,
    "mask": _mask,
    "cuboid": _cuboid,
}
