"""The text file of one image in the YOLO format.

Each line is an object: the class number, then fractions of the image's width and height. They are
the box's center, width and height, or the corners of a polygon (as segmentation exports write),
which becomes its bounding box. If a data.yaml states that key points follow the box, they are left
out.
"""

import os
from pathlib import Path

from utils.annotations.raw import Annotation, Finding, Problem, RawObject
from utils.files.reading import read_text


def has_objects(path: Path) -> bool:
    """Whether a text file starts like a label file, unlike a list of classes or a README."""
    first = next(iter(read_text(path).split("\n")), "").split()
    try:
        return len([float(value) for value in first]) >= 5
    except ValueError:
        return False


def read_labels(path: Path, class_names: tuple[str, ...] | None, key_points: int = 0) -> Annotation:
    """Read the objects of one image; a missing file means that it has none.

    Args:
        path: the text file.
        class_names: the names of the class numbers, None if they have none.
        key_points: how many numbers for key points follow each box.
    """
    annotation = Annotation([], [], relative=True)
    if not os.path.lexists(path):
        return annotation
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        where = f"line {number}"
        if not line.strip():
            continue
        try:
            category, corners = _parse_line(line, key_points)
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


def _parse_line(line: str, key_points: int) -> tuple[int, tuple[float, float, float, float]]:
    """The class number and corners in a line; a ValueError says what was expected."""
    try:
        category, *coordinates = (float(value) for value in line.split())
    except ValueError:
        raise ValueError("expected numbers only") from None
    if category < 0 or not category.is_integer():
        raise ValueError("expected a class number from 0")
    count = len(coordinates)
    if key_points and count not in (4, 4 + key_points):
        raise ValueError(f"expected a class number, four numbers, and {key_points} of key points")
    if count == 4 or key_points:
        x, y, width, height = coordinates[:4]
        return int(category), (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    if count < 4 or count % 2:
        raise ValueError("expected a class number and four numbers, or a polygon")
    xs, ys = coordinates[::2], coordinates[1::2]
    return int(category), (min(xs), min(ys), max(xs), max(ys))
