"""Annotations as a few short values of JSON: a tenth of the memory, and soon read again."""

import base64
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from utils.annotations.raw import Annotation, Finding, Problem, RawObject

# Values of JSON only, so that what was just packed and what a file kept are equal.
Packed = list[Any]


def pack(annotation: Annotation) -> Packed:
    """Pack an annotation; its findings must be about the annotation's file.

    The corners become one text, since JSON takes ten times as long for the numbers.
    """
    objects = annotation.objects
    corners = [corner for item in objects for corner in item.corners]
    return [
        [item.category for item in objects],
        [item.where for item in objects],
        base64.b64encode(struct.pack(f"<{len(corners)}d", *corners)).decode("ascii"),
        [number for number, item in enumerate(objects) if item.difficult],
        pack_findings(annotation.findings),
        annotation.size and list(annotation.size),
        annotation.relative,
    ]


def unpack(file: Path, packed: Packed) -> Annotation:
    """The annotation that was packed.

    Args:
        file: the annotation's file.
        packed: what `pack` returned.

    Raises:
        Exception: of any type, if it is something else.
    """
    categories, places, text, difficult, findings, size, relative = packed
    if not (set(map(type, categories)) <= {str, int} and set(map(type, places)) <= {str}):
        raise TypeError("a category is no class, or a place no text")
    boxes = struct.iter_unpack("<4d", base64.b64decode(text, validate=True))
    marked = set(difficult)
    objects = [
        RawObject(category, corners, where, number in marked)
        for number, (category, corners, where) in enumerate(
            zip(categories, boxes, places, strict=True)
        )
    ]
    found = unpack_findings(file, findings)
    size = None if size is None else (int(size[0]), int(size[1]))
    return Annotation(objects, found, size, bool(relative))


def pack_findings(findings: Sequence[Finding]) -> Packed:
    """Pack findings that are about one file."""
    return [[finding.problem.name, finding.where, finding.detail] for finding in findings]


def unpack_findings(file: Path, packed: Packed) -> list[Finding]:
    """The findings about a file that were packed."""
    return [Finding(Problem[name], file, str(where), str(text)) for name, where, text in packed]
