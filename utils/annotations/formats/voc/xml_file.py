"""One XML file of Pascal VOC.

VOC counts pixels from 1 and includes both corners; LabelImg and most other tools write edges
counted from 0. A file does not say which convention it uses, and the two differ by at most one
pixel, so coordinates are kept as written and clipped to the image.
"""

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.annotations.image_files import path_parts
from utils.annotations.raw import (
    Annotation,
    AnnotationError,
    Finding,
    Problem,
    RawObject,
)
from utils.errors import FileError
from utils.files.encodings import decode_text
from utils.files.markup import parse_xml
from utils.files.reading import read_head, read_text
from utils.printable import brief
from utils.text import class_name

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_HEAD = 4096
_COMMENT = re.compile(r"<!--.*?(-->|$)", re.DOTALL)
_FIRST_ELEMENT = re.compile(r"<(?![?!])(?:[^\s<>/:]+:)?([^\s<>/:]+)")


def filename(path: Path) -> str:
    """The file name that a VOC XML file states in <filename>, without folders; may be empty.

    Raises:
        AnnotationError: the file cannot be read or is not a VOC annotation.
    """
    return path_parts(_text(_parse(path), "filename"))[-1]


def root_name(path: Path) -> str:
    """The name of a file's first XML element, in lower case; empty if none begins early.

    Only the beginning is read, so that the kind of many files is known soon.
    """
    head = decode_text(read_head(path, _HEAD))
    match = _FIRST_ELEMENT.search(_COMMENT.sub("", head))
    return match[1].lower() if match else ""


def read_xml(path: Path) -> Annotation:
    """Read one VOC XML file.

    Raises:
        AnnotationError: the file cannot be read or is not a VOC annotation.
    """
    root = _parse(path)
    objects, findings = [], []
    nodes = list(root.iter("object"))
    for number, node in enumerate(nodes, start=1):
        where = f"object {number}"
        try:
            objects.append(_read_object(node, where))
        except ValueError as error:
            findings.append(Finding(Problem.BAD_OBJECT, path, where, str(error)))
    in_objects = {box for node in nodes for box in node.iter("bndbox")}
    for number, box in enumerate(root.iter("bndbox"), start=1):
        if box not in in_objects:
            detail = "it is in no <object>"
            findings.append(Finding(Problem.BAD_OBJECT, path, f"<bndbox> {number}", detail))
    return Annotation(objects, findings, _read_size(root))


def _parse(path: Path) -> Element:
    """Return the root element of a VOC XML file; all tags are in lower case and not qualified."""
    try:
        text = read_text(path)
        if not text.strip():
            raise FileError(path, "the file is empty; expected <annotation>")
        root = parse_xml(text, path)
        for node in root.iter():
            node.tag = node.tag.rpartition("}")[2].lower()
        if root.tag != "annotation":
            raise FileError(path, f"the root element is <{root.tag}>; expected <annotation>")
    except FileError as error:
        finding = Finding(Problem.BAD_ANNOTATION, path, error.where, error.detail)
        raise AnnotationError(finding) from None
    return root


def _read_object(node: Element, where: str) -> RawObject:
    name = class_name(_text(node, "name"))
    if not name:
        raise ValueError("no <name>")
    box = node.find("bndbox")
    if box is None:
        raise ValueError(f"{name}: no <bndbox>")
    texts = [_text(box, tag) for tag in _CORNERS]
    try:
        x1, y1, x2, y2 = map(float, texts)
    except ValueError:
        found = ", ".join(f"{tag} {brief(text)}" for tag, text in zip(_CORNERS, texts, strict=True))
        raise ValueError(f"{name}: {found}; expected four numbers") from None
    difficult = _text(node, "difficult") in ("1", "true", "True")
    return RawObject(name, (x1, y1, x2, y2), where, difficult)


def _read_size(root: Element) -> tuple[int, int] | None:
    """Width and height; None if they are missing, not numbers, or 0 as some tools write."""
    try:
        size = int(float(_text(root, "size/width"))), int(float(_text(root, "size/height")))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _text(node: Element, tag: str) -> str:
    return (node.findtext(tag) or "").strip()
