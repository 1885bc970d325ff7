"""Checks one image and its boxes: what is sound is kept, the rest is mended or set aside."""

import math
from dataclasses import dataclass, replace

import numpy as np

from utils.annotations.images import ImageFacts
from utils.annotations.scan_cache import KnownFiles
from utils.annotations.source import Annotation, AnnotationError, Entry, Kind, Problem, RawObject
from utils.image import ImageError

# Relative coordinates and rescaled ones are rounded: so much beyond the image is no mistake.
_ROUNDING_PIXELS = 0.5


@dataclass(frozen=True, eq=False)
class Checked:
    """An entry after the checks.

    Attributes:
        entry: where it came from.
        size: width and height as displayed, None when the image is set aside.
        digest: a hash of the image file's bytes.
        objects: the sound ones, in pixels of the image as displayed.
        problems: what was wrong, in the order found.
    """

    entry: Entry
    size: tuple[int, int] | None
    digest: bytes
    objects: list[RawObject]
    problems: list[Problem]


def check(entry: Entry, known: KnownFiles) -> Checked:
    """Read an entry's annotation, and check its image and every object.

    Args:
        entry: the image and its annotation.
        known: reads both files.
    """
    try:
        annotation = known.annotation(entry)
    except AnnotationError as error:
        return Checked(entry, None, b"", [], [error.problem])
    try:
        facts = known.image(entry.image)
    except ImageError as error:
        reason = str(error).removeprefix(f"{entry.image}: ")
        problem = Problem(Kind.BAD_IMAGE, entry.image, "", reason)
        return Checked(entry, None, b"", [], [problem])
    width, height = facts.size
    objects, problems = list(annotation.objects), list(annotation.problems)
    if annotation.size not in (None, facts.size):
        objects, problem = _reconcile(entry, annotation, facts)
        problems += problem
    if annotation.relative:
        objects = [_scale(item, width, height) for item in objects]
    sound = []
    for item in objects:
        mended, found = check_box(item, facts.size, entry)
        sound += mended
        problems += found
    return Checked(entry, facts.size, facts.digest, sound, problems)


def _reconcile(
    entry: Entry, annotation: Annotation, facts: ImageFacts
) -> tuple[list[RawObject], list[Problem]]:
    """Handle an annotation whose image size is not that of the image as displayed.

    Tools that ignore the EXIF rotation annotate the image as stored: its boxes are turned along.
    """
    size, orientation = facts.size, facts.orientation
    if orientation >= 5 and annotation.size == (size[1], size[0]):
        turned = [
            replace(item, corners=turn_corners(item.corners, orientation, annotation.size))
            for item in annotation.objects
        ]
        return turned, []
    (width, height), (said_width, said_height) = size, annotation.size
    detail = f"{width}x{height}, not {said_width}x{said_height}"
    return annotation.objects, [Problem(Kind.SIZE_DIFFERS, entry.file, entry.image.name, detail)]


def turn_corners(
    corners: tuple[float, float, float, float], orientation: int, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Move a box from an image as stored to the same image as displayed.

    Args:
        corners: x1, y1, x2, y2 in pixels of the image as stored.
        orientation: the EXIF orientation, 5 to 8: those that swap width and height.
        size: width and height of the image as stored.
    """
    width, height = size
    x1, y1, x2, y2 = corners
    if orientation in (6, 7):
        y1, y2 = height - y2, height - y1
    if orientation in (7, 8):
        x1, x2 = width - x2, width - x1
    return (y1, x1, y2, x2)


def _scale(item: RawObject, width: int, height: int) -> RawObject:
    x1, y1, x2, y2 = item.corners
    return replace(item, corners=(x1 * width, y1 * height, x2 * width, y2 * height))


def check_box(
    item: RawObject, size: tuple[int, int], entry: Entry
) -> tuple[list[RawObject], list[Problem]]:
    """Check one object's box against the image.

    Args:
        item: the object, its corners in pixels.
        size: width and height of the image.
        entry: where it stands, for messages.

    Returns:
        The object, mended where that was needed, or nothing; and what was wrong.
    """
    problems = []

    def note(kind: Kind) -> None:
        box = ", ".join(f"{corner:g}" for corner in item.corners)
        detail = f"{item.category} [{box}] in {size[0]}x{size[1]}"
        problems.append(Problem(kind, entry.file, item.where, detail))

    if not all(map(math.isfinite, item.corners)):
        note(Kind.NOT_FINITE)
        return [], problems
    x1, y1, x2, y2 = item.corners
    if x1 > x2 or y1 > y2:
        note(Kind.INVERTED)
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    if _is_flat(x1, y1, x2, y2):
        note(Kind.ZERO_AREA)
        return [], problems
    corners = _clip(x1, y1, x2, y2, size)
    if _is_flat(*corners):
        note(Kind.OUTSIDE)
        return [], problems
    if max(-x1, -y1, x2 - size[0], y2 - size[1]) > _ROUNDING_PIXELS:
        note(Kind.BEYOND)
    return [item if corners == item.corners else replace(item, corners=corners)], problems


def _clip(x1: float, y1: float, x2: float, y2: float, size: tuple[int, int]) -> tuple:
    width, height = size
    return (
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
        min(max(x2, 0.0), width),
        min(max(y2, 0.0), height),
    )


def _is_flat(x1: float, y1: float, x2: float, y2: float) -> bool:
    """Whether the box has no area once stored as float32."""
    return not (np.float32(x1) < np.float32(x2) and np.float32(y1) < np.float32(y2))
