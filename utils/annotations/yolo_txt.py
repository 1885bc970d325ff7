"""The text file of one image in the YOLO format.

A line per object: the class number, then parts of the image's width and height, either the box's
center, width and height, or (as segmentation exports write) the corners of a polygon, whose
bounding box is taken.
"""

from pathlib import Path

from utils.annotations.source import Annotation, Kind, Problem, RawObject
from utils.image import is_image_name
from utils.text import read_text

_IMAGE_FOLDERS = ("images", "jpegimages")


def label_file(image: Path) -> Path:
    """The text file of an image: its place with the last `images` made `labels`, or beside it."""
    beside = image.with_suffix(".txt")
    for folder in image.parents:
        if folder.name.lower() in _IMAGE_FOLDERS:
            mirrored = folder.with_name("labels") / beside.relative_to(folder)
            return beside if beside.is_file() and not mirrored.is_file() else mirrored
    return beside


def image_stems(folder: Path) -> set[str]:
    """The stems of the images that the text files in a folder may belong to."""
    places = [folder]
    for labels in (folder, *folder.parents):
        if labels.name == "labels" and labels.parent.is_dir():
            below = folder.relative_to(labels)
            siblings = labels.parent.iterdir()
            places += [path / below for path in siblings if path.name.lower() in _IMAGE_FOLDERS]
            break
    files = (path for place in places if place.is_dir() for path in place.iterdir())
    return {path.stem for path in files if is_image_name(path.name)}


def holds_objects(path: Path) -> bool:
    """Whether a text file is a label file, not a list of classes or a read-me."""
    first = next(iter(read_text(path).split("\n")), "").split()
    try:
        return len([float(value) for value in first]) >= 5
    except ValueError:
        return False


def read_yolo_txt(path: Path, class_names: tuple[str, ...] | None) -> Annotation:
    """Read the objects of one image; a file that is not there means none."""
    annotation = Annotation([], [], relative=True)
    if not path.is_file():
        return annotation
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        where = f"line {number}"
        if not line.strip():
            continue
        try:
            category, corners = _parse_line(line)
        except ValueError as error:
            detail = f"{line.strip()[:60]!r}: {error}"
            annotation.problems.append(Problem(Kind.BAD_OBJECT, path, where, detail))
            continue
        if class_names is not None and category not in range(len(class_names)):
            detail = f"class {category}, but there are {len(class_names)} classes"
            annotation.problems.append(Problem(Kind.UNKNOWN_CLASS, path, where, detail))
            continue
        name = category if class_names is None else class_names[category]
        annotation.objects.append(RawObject(name, corners, where))
    return annotation


def _parse_line(line: str) -> tuple[int, tuple[float, float, float, float]]:
    """Class number and corners of one line."""
    numbers = [float(value) for value in line.split()]
    if len(numbers) < 5 or (len(numbers) > 5 and len(numbers) % 2 == 0):
        raise ValueError("not a class number and the four numbers of a box")
    category, *places = numbers
    if category < 0 or not category.is_integer():
        raise ValueError("the class is not a whole number from 0")
    if len(places) == 4:
        x, y, width, height = places
        corners = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    else:
        corners = (min(places[::2]), min(places[1::2]), max(places[::2]), max(places[1::2]))
    return int(category), corners
