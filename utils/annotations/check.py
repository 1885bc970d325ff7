"""Checks an image and its boxes: valid objects are kept, the others are fixed or skipped."""

from dataclasses import dataclass

import numpy as np

from utils.annotations.cached.scan_cache import ImageFacts, ScanCache
from utils.annotations.raw import AnnotationError, Entry, Finding, Problem, RawObject
from utils.errors import FileError
from utils.image import ImageError
from utils.printable import brief

# Tools round coordinates, so a box may reach this far outside the image without being reported.
_ROUNDING_PIXELS = 0.5
_PLAIN = 2**23
_LARGEST = float(np.finfo(np.float32).max)  # boxes are stored in this type

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False, slots=True)
class CheckedEntry:
    """An entry after the checks.

    Attributes:
        entry: the entry.
        size: width and height as displayed, (0, 0) if the image is skipped.
        digest: a hash of the image file's bytes.
        objects: the valid objects, in pixels of the image as displayed.
        findings: what was wrong, in the order found.
        in_pixels: whether the annotation has its boxes in pixels, not in fractions of the size.
    """

    entry: Entry
    size: tuple[int, int]
    digest: bytes
    objects: list[RawObject]
    findings: list[Finding]
    in_pixels: bool = True

    @property
    def is_skipped(self) -> bool:
        """Whether the image or its annotation cannot be used."""
        return not any(self.size)


def check_entry(entry: Entry, cache: ScanCache) -> CheckedEntry:
    """Read an entry's annotation, and check its image and every object.

    Args:
        entry: the image and its annotation.
        cache: reads both files.
    """
    try:
        annotation = cache.annotation(entry)
    except AnnotationError as error:
        return CheckedEntry(entry, (0, 0), b"", [], [error.finding])
    except FileError as error:
        finding = Finding(Problem.BAD_ANNOTATION, entry.file, error.where, error.detail)
        return CheckedEntry(entry, (0, 0), b"", [], [finding])
    try:
        facts = cache.image_facts(entry.image)
    except ImageError as error:
        finding = Finding(Problem.BAD_IMAGE, entry.image, "", error.detail)
        return CheckedEntry(entry, (0, 0), b"", [], [finding])
    objects, findings = list(annotation.objects), list(annotation.findings)
    if facts.unused_bits:
        findings.append(Finding(Problem.FEW_BITS, entry.image, "", facts.unused_bits))
    if annotation.size is not None and annotation.size != facts.size:
        objects, size_findings = _resolve_size(entry, objects, annotation.size, facts)
        findings += size_findings
    if annotation.relative:
        objects = [scale(item, facts.size) for item in objects]
    valid = []
    for item in objects:
        if _is_plain(item.corners, facts.size):
            valid.append(item)
            continue
        kept, box_findings = check_box(item, facts.size, entry)
        valid += kept
        findings += box_findings
    valid, repeats = _without_repeats(valid, entry)
    findings += repeats
    return CheckedEntry(
        entry, facts.size, facts.digest, valid, findings, in_pixels=not annotation.relative
    )


def _resolve_size(
    entry: Entry, objects: list[RawObject], stated: tuple[int, int], facts: ImageFacts
) -> tuple[list[RawObject], list[Finding]]:
    """Handle an annotation that states another size than that of the image as displayed.

    Tools that ignore the EXIF rotation annotate the image as stored; those boxes are rotated.
    """
    size, orientation = facts.size, facts.orientation
    if orientation >= 5 and stated == (size[1], size[0]):
        rotated = [
            item._replace(corners=rotate_corners(item.corners, orientation, stated))
            for item in objects
        ]
        return rotated, []
    written = "x".join(map(brief, stated))
    detail = f"the image is {size[0]}x{size[1]}; the annotation says {written}"
    finding = Finding(Problem.SIZE_DIFFERS, entry.file, entry.image.name, detail)
    return objects, [finding]


def rotate_corners(corners: Corners, orientation: int, size: tuple[int, int]) -> Corners:
    """Transform a box from an image as stored to the image as displayed.

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


def scale(item: RawObject, size: tuple[int, int]) -> RawObject:
    """Convert the corners of an object from fractions of the image's size to pixels."""
    width, height = size
    x1, y1, x2, y2 = item.corners
    corners = (x1 * width, y1 * height, x2 * width, y2 * height)
    return RawObject(item.category, corners, item.where, item.difficult)


def check_box(
    item: RawObject, size: tuple[int, int], entry: Entry
) -> tuple[list[RawObject], list[Finding]]:
    """Check the box of one object against the image.

    Args:
        item: the object, its corners in pixels.
        size: width and height of the image.
        entry: the entry of the object, for messages.

    Returns:
        The object, fixed if necessary, or an empty list if it is skipped; and what was wrong.
    """
    findings = []

    def report(problem: Problem) -> None:
        box = ", ".join(f"{corner:g}" for corner in item.corners)
        detail = f"{item.category} [{box}] in {size[0]}x{size[1]}"
        findings.append(Finding(problem, entry.file, item.where, detail))

    if not all(abs(corner) <= _LARGEST for corner in item.corners):
        report(Problem.NOT_FINITE)
        return [], findings
    x1, y1, x2, y2 = item.corners
    if x1 > x2 or y1 > y2:
        report(Problem.INVERTED)
        x1, x2, y1, y2 = min(x1, x2), max(x1, x2), min(y1, y2), max(y1, y2)
    if _has_no_area(x1, y1, x2, y2):
        report(Problem.ZERO_AREA)
        return [], findings
    corners = _clip(x1, y1, x2, y2, size)
    if _has_no_area(*corners):
        report(Problem.OUTSIDE)
        return [], findings
    if max(-x1, -y1, x2 - size[0], y2 - size[1]) > _ROUNDING_PIXELS:
        report(Problem.PARTLY_OUTSIDE)
    if min(corners[2] - corners[0], corners[3] - corners[1]) < 1:
        report(Problem.BELOW_A_PIXEL)
    return [item if corners == item.corners else item._replace(corners=corners)], findings


def _is_plain(corners: Corners, size: tuple[int, int]) -> bool:
    """Whether nothing is wrong with a box, so that the slower `check_box` need not look at it.

    It is inside the image, and a pixel wide and high, which float32 tells apart up to 2^23.
    """
    x1, y1, x2, y2 = corners
    width, height = size
    is_inside = x1 >= 0 and y1 >= 0 and x2 <= width <= _PLAIN and y2 <= height <= _PLAIN
    return is_inside and x2 - x1 >= 1 and y2 - y1 >= 1


def _without_repeats(
    objects: list[RawObject], entry: Entry
) -> tuple[list[RawObject], list[Finding]]:
    """Keep the first of several objects with the same class and box."""
    if len({(item.category, item.corners) for item in objects}) == len(objects):
        return objects, []
    first: dict[tuple, RawObject] = {}
    findings = []
    for item in objects:
        kept = first.setdefault((item.category, item.corners), item)
        if kept is not item:
            box = ", ".join(f"{corner:g}" for corner in item.corners)
            detail = f"{item.category} [{box}], as {kept.where}"
            findings.append(Finding(Problem.REPEATED, entry.file, item.where, detail))
    return list(first.values()), findings


def _clip(x1: float, y1: float, x2: float, y2: float, size: tuple[int, int]) -> Corners:
    width, height = size
    return (
        min(max(x1, 0.0), width),
        min(max(y1, 0.0), height),
        min(max(x2, 0.0), width),
        min(max(y2, 0.0), height),
    )


def _has_no_area(x1: float, y1: float, x2: float, y2: float) -> bool:
    """Whether the box is empty once stored as float32."""
    return not (np.float32(x1) < np.float32(x2) and np.float32(y1) < np.float32(y2))
