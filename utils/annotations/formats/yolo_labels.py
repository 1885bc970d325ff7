"""The text file of one image in the YOLO format.

Each line is an object: the class number, then fractions of the image's width and height. They are
the box's center, width and height, or the corners of a polygon (as segmentation exports write),
which becomes its bounding box.
"""

from pathlib import Path

from utils.annotations.raw import Annotation, Finding, Problem, RawObject
from utils.files.reading import read_text
from utils.image import is_image_name

_IMAGE_FOLDERS = ("images", "jpegimages")


def label_file(image: Path) -> Path:
    """The text file of an image: its path with the last `images` as `labels`, or beside it."""
    beside = image.with_suffix(".txt")
    for folder in image.parents:
        if folder.name.lower() in _IMAGE_FOLDERS:
            mirrored = folder.with_name("labels") / beside.relative_to(folder)
            return beside if beside.is_file() and not mirrored.is_file() else mirrored
    return beside


def image_stems(folder: Path) -> set[str]:
    """The stems of the images that the text files in a folder may belong to."""
    image_folders = [folder]
    for labels in (folder, *folder.parents):
        if labels.name == "labels" and labels.parent.is_dir():
            below = folder.relative_to(labels)
            siblings = labels.parent.iterdir()
            image_folders += [
                path / below for path in siblings if path.name.lower() in _IMAGE_FOLDERS
            ]
            break
    files = (path for folder in image_folders if folder.is_dir() for path in folder.iterdir())
    return {path.stem for path in files if is_image_name(path.name)}


def has_objects(path: Path) -> bool:
    """Whether a text file starts like a label file, unlike a list of classes or a README."""
    first = next(iter(read_text(path).split("\n")), "").split()
    try:
        return len([float(value) for value in first]) >= 5
    except ValueError:
        return False


def read_labels(path: Path, class_names: tuple[str, ...] | None) -> Annotation:
    """Read the objects of one image; a missing file means that it has none."""
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
            detail = f"{line.strip()[:60]!r}; {error}"
            annotation.findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        if class_names is not None and category not in range(len(class_names)):
            detail = f"class {category}; there are {len(class_names)} classes, numbered from 0"
            annotation.findings.append(Finding(Problem.UNKNOWN_CLASS, path, where, detail))
            continue
        name = category if class_names is None else class_names[category]
        annotation.objects.append(RawObject(name, corners, where))
    return annotation


def _parse_line(line: str) -> tuple[int, tuple[float, float, float, float]]:
    """The class number and corners in a line; a ValueError says what was expected."""
    try:
        category, *coordinates = (float(value) for value in line.split())
    except ValueError:
        raise ValueError("expected numbers only") from None
    if len(coordinates) < 4 or (len(coordinates) > 4 and len(coordinates) % 2):
        raise ValueError("expected a class number and four numbers, or a polygon")
    if category < 0 or not category.is_integer():
        raise ValueError("expected a class number from 0")
    if len(coordinates) == 4:
        x, y, width, height = coordinates
        return int(category), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    xs, ys = coordinates[::2], coordinates[1::2]
    return int(category), (min(xs), min(ys), max(xs), max(ys))
