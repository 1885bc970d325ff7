"""What a COCO JSON file states about its images."""

from collections import Counter, defaultdict
from functools import partial
from pathlib import Path
from typing import Any

from utils.annotations.cached.packed import pack, pack_findings, unpack, unpack_findings
from utils.annotations.image_files import ImagesBelow, path_parts
from utils.annotations.raw import (
    Annotation,
    Entry,
    Finding,
    Problem,
    RawObject,
)
from utils.errors import UserError
from utils.files.reading import read_json, read_text
from utils.printable import brief
from utils.text import class_name

Statement = dict[str, Any]

_LISTS = ("images", "annotations", "categories")


class NotCocoError(Exception):
    """A JSON file is something else than COCO's annotations of boxes; the message says why.

    Attributes:
        has_list: whether it has one of COCO's lists.
    """

    def __init__(self, message: str, has_list: bool = False) -> None:
        super().__init__(message)
        self.has_list = has_list


def load_json(path: Path) -> object:
    """The content of a JSON file, without the polygons, which are most of COCO's bytes.

    Raises:
        UserError: it cannot be read or is not JSON.
    """
    return read_json(path, read_text, object_hook=_without_polygons)


def _without_polygons(item: dict) -> dict:
    item.pop("segmentation", None)
    return item


def as_coco(content: object) -> dict:
    """Return the content of a JSON file if it is COCO's annotations of boxes.

    Raises:
        NotCocoError: it is not.
    """
    if not isinstance(content, dict) or not all(map(_is_list_of_objects, map(content.get, _LISTS))):
        has_list = isinstance(content, dict) and any(key in content for key in _LISTS)
        raise NotCocoError(f"no COCO lists {', '.join(map(repr, _LISTS))}", has_list)
    annotations = content["annotations"]
    if annotations and not any("bbox" in item for item in annotations):
        raise NotCocoError("its annotations have no 'bbox'", has_list=True)
    return content


def _is_list_of_objects(items: object) -> bool:
    return isinstance(items, list) and all(isinstance(item, dict) for item in items)


def _is_id(value: object) -> bool:
    return isinstance(value, int | float | str)


def _where(kind: str, number: int, item: dict) -> str:
    """The position of an item: its id, or else its number in the list."""
    return f"{kind} {item['id']}" if _is_id(item.get("id")) else f"{kind} no. {number}"


def categories_of(content: dict, path: Path) -> dict[int, str]:
    """Class names by category id, ordered by id; ids may have gaps."""
    names = {}
    for number, category in enumerate(content["categories"], start=1):
        name = class_name(category.get("name"))
        if not _is_id(category.get("id")) or not name:
            found = f"id {brief(category.get('id'))}, name {brief(category.get('name'))}"
            raise UserError(f"{path}, category no. {number}: {found}; expected an id and a name")
        names[category["id"]] = name
    return dict(sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def statement_of(content: dict, path: Path) -> Statement:
    """What a file states about each image, in values of JSON that a cache can keep.

    Raises:
        UserError: a category has no id or no name.
    """
    findings: list[Finding] = []
    categories = categories_of(content, path)
    by_image = _by_image(path, content, findings)
    images, ids = [], set()
    for number, item in enumerate(content["images"], start=1):
        where, name, image_id = _where("image", number, item), _file_name(item), item.get("id")
        if not _is_id(image_id) or image_id in ids:
            wrong = "occurs twice" if _is_id(image_id) else "is not a number or text"
            detail = f"{name or 'no file_name'}: id {brief(image_id)} {wrong}"
            findings.append(Finding(Problem.BAD_ANNOTATION, path, where, detail))
            continue
        ids.add(image_id)
        size = (item.get("width"), item.get("height"))
        size = size if all(isinstance(side, int) and side > 0 for side in size) else None
        annotation = _annotate(by_image.pop(image_id, []), categories, size, path)
        images.append([name, where, pack(annotation)])
    for image_id, items in by_image.items():
        detail = f"image_id {brief(image_id)} is not among the images"
        findings += [Finding(Problem.BAD_OBJECT, path, where, detail) for where, _ in items]
    return {
        "class_names": list(categories.values()),
        "images": images,
        "findings": pack_findings(findings),
    }


def entries_of(
    path: Path, statement: Statement, images: ImagesBelow, findings: list[Finding]
) -> list[Entry]:
    """One entry per image of a file; what is wrong and what cannot be matched are added.

    Args:
        path: the file.
        statement: from `statement_of`.
        images: finds the images.
        findings: receives the file's findings, and the images that were not found.
    """
    findings += unpack_findings(path, statement["findings"])
    names = {name for name, _, _ in statement["images"]}
    name_counts = Counter(path_parts(name)[-1] for name in names)
    entries = []
    for name, where, packed in statement["images"]:
        image = images.find(name, path, is_unique=name_counts[path_parts(name)[-1]] == 1)
        if image is None:
            detail = f"no file {brief(name)} below {images.root}" if name else "no 'file_name'"
            findings.append(Finding(Problem.MISSING_IMAGE, path, where, detail))
        else:
            entries.append(Entry(image, path, partial(unpack, path, packed)))
    return entries


def _file_name(item: dict) -> str:
    return str(item.get("file_name") or "")


def _by_image(
    path: Path, content: dict, findings: list[Finding]
) -> dict[object, list[tuple[str, dict]]]:
    """Annotations and their positions by image id; those without an id become findings."""
    by_image = defaultdict(list)
    for number, item in enumerate(content["annotations"], start=1):
        where, image_id = _where("annotation", number, item), item.get("image_id")
        if _is_id(image_id):
            by_image[image_id].append((where, item))
        else:
            detail = f"image_id {brief(image_id)} is not a number or text"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
    return by_image


def _annotate(
    items: list[tuple[str, dict]],
    categories: dict[int, str],
    size: tuple[int, int] | None,
    path: Path,
) -> Annotation:
    """The objects of one image."""
    objects, findings = [], []
    for where, item in items:
        category = item.get("category_id")
        if not _is_id(category):
            detail = f"category_id {brief(category)} is not a number or text"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        if category not in categories:
            detail = f"category_id {brief(category)} is not among the categories"
            findings.append(Finding(Problem.UNKNOWN_CLASS, path, where, detail))
            continue
        name = categories[category]
        try:
            x, y, width, height = map(float, item["bbox"])
        except (KeyError, TypeError, ValueError, OverflowError):
            detail = f"{name}: bbox {brief(item.get('bbox'))}; expected four numbers"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        corners = (x, y, x + width, y + height)
        objects.append(RawObject(name, corners, where, bool(item.get("iscrowd"))))
    return Annotation(objects, findings, size)
