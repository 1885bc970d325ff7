"""COCO JSON: boxes as x, y, width, height in pixels from 0; crowds count as difficult."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TypeGuard

from utils.annotations.image_files import ImagesBelow, path_parts, split_of
from utils.annotations.raw import (
    Annotation,
    DataFormat,
    Entry,
    Finding,
    Problem,
    RawDataSet,
    RawObject,
)
from utils.errors import UserError
from utils.files.reading import read_json, read_text
from utils.text import class_name

_KEYS = ("images", "annotations", "categories")
# A broken JSON file with such a name is an error; any other one is ignored.
_ANNOTATION_NAME = re.compile("train|val|test|coco|instances|annotation", re.IGNORECASE)


def read_folder(root: Path) -> list[RawDataSet]:
    """Read the JSON files in a folder, in its `annotations`, or in a folder per split.

    COCO's files for other tasks (captions, keypoints) are ignored.
    """
    candidates = [
        sorted(root.glob(pattern)) for pattern in ("[aA]nnotations/*.json", "[!.]*/*.json")
    ]
    files = sorted(root.glob("*.json")) + next(filter(None, candidates), [])
    instances = [path for path in files if path.name.startswith("instances")]
    return read_coco(instances or files, root)


def read_file(path: Path) -> list[RawDataSet]:
    """Read one JSON file, whose images lie beside it or beside its folder `annotations`."""
    if path.suffix.lower() != ".json":
        return []
    root = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
    return read_coco([path], root, required=True)


COCO_JSON = DataFormat("annotations/*.json (COCO)", read_folder, "a COCO .json", read_file)


def read_coco(files: Sequence[Path], root: Path, required: bool = False) -> list[RawDataSet]:
    """Read COCO JSON files, split by their names or those of their folders.

    Args:
        files: the JSON files.
        root: the folder to search for images.
        required: whether a file that is not COCO is an error; otherwise it is ignored.

    Raises:
        UserError: a file is not valid JSON, or a category has no id or name.
    """
    data_set = RawDataSet("COCO JSON")
    images = ImagesBelow(root)
    names: dict[str, None] = {}
    for path in files:
        content = _load(path, required or _ANNOTATION_NAME.search(path.name) is not None)
        if not _is_coco(content):
            if required and _mentions_coco(content):
                raise UserError(f"{path}: not COCO; expected lists {', '.join(map(repr, _KEYS))}")
            data_set.notes.append(f"{path} has no COCO objects and was ignored")
            continue
        categories = _categories(content, path)
        names.update(dict.fromkeys(categories.values()))
        folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
        split = split_of([path.stem, *reversed(folders)])
        data_set.splits[split] += _entries(data_set, path, content, categories, images)
    data_set.class_names = tuple(names)
    return [data_set] if data_set.splits else []


def _load(path: Path, required: bool) -> object:
    """The content of a JSON file, None if it is broken and not required."""
    try:
        return read_json(path, read_text)
    except UserError:
        if not required:
            return None
        raise


def _is_coco(content: object) -> TypeGuard[dict]:
    lists = [content.get(key) for key in _KEYS] if isinstance(content, dict) else [None]
    return all(
        isinstance(items, list) and all(isinstance(item, dict) for item in items) for items in lists
    )


def _mentions_coco(content: object) -> bool:
    return isinstance(content, dict) and any(key in content for key in _KEYS)


def _is_id(value: object) -> bool:
    return isinstance(value, int | float | str)


def _where(kind: str, number: int, item: dict) -> str:
    """The position of an item: its id, or else its number in the list."""
    return f"{kind} {item['id']}" if _is_id(item.get("id")) else f"{kind} no. {number}"


def _categories(content: dict, path: Path) -> dict[int, str]:
    """Class names by category id, ordered by id; ids may have gaps."""
    names = {}
    for number, category in enumerate(content["categories"], start=1):
        name = class_name(category.get("name"))
        if not _is_id(category.get("id")) or not name:
            found = f"id {category.get('id')!r}, name {category.get('name')!r}"
            raise UserError(f"{path}, category no. {number}: {found}; expected an id and a name")
        names[category["id"]] = name
    return dict(sorted(names.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _entries(
    data_set: RawDataSet,
    path: Path,
    content: dict,
    categories: dict[int, str],
    images: ImagesBelow,
) -> list[Entry]:
    """One entry per image of a file; what cannot be matched becomes a finding."""
    by_image = _by_image(data_set, path, content)
    name_counts = Counter(path_parts(name)[-1] for name in set(map(_file_name, content["images"])))
    entries, ids = [], set()
    for number, item in enumerate(content["images"], start=1):
        where, name, image_id = _where("image", number, item), _file_name(item), item.get("id")
        if not _is_id(image_id) or image_id in ids:
            wrong = "occurs twice" if _is_id(image_id) else "is not a number or text"
            detail = f"{name or 'no file_name'}: id {image_id!r} {wrong}"
            data_set.findings.append(Finding(Problem.BAD_ANNOTATION, path, where, detail))
            continue
        ids.add(image_id)
        items = by_image.pop(image_id, [])
        image = images.find(name, path, is_unique=name_counts[path_parts(name)[-1]] == 1)
        if image is None:
            detail = f"no file {name!r} below {images.root}" if name else "no 'file_name'"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, where, detail))
            continue
        size = (item.get("width"), item.get("height"))
        size = size if all(isinstance(side, int) and side > 0 for side in size) else None
        entries.append(Entry(image, path, partial(_annotate, items, categories, size, path)))
    for image_id, items in by_image.items():
        detail = f"image_id {image_id!r} is not among the images"
        data_set.findings += [
            Finding(Problem.BAD_OBJECT, path, where, detail) for where, _ in items
        ]
    return entries


def _file_name(item: dict) -> str:
    return str(item.get("file_name") or "")


def _by_image(
    data_set: RawDataSet, path: Path, content: dict
) -> dict[object, list[tuple[str, dict]]]:
    """Annotations and their positions by image id; those without an id become findings."""
    by_image = defaultdict(list)
    for number, item in enumerate(content["annotations"], start=1):
        where, image_id = _where("annotation", number, item), item.get("image_id")
        if _is_id(image_id):
            by_image[image_id].append((where, item))
        else:
            detail = f"image_id {image_id!r} is not a number or text"
            data_set.findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
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
            detail = f"category_id {category!r} is not a number or text"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        if category not in categories:
            detail = f"category_id {category!r} is not among the categories"
            findings.append(Finding(Problem.UNKNOWN_CLASS, path, where, detail))
            continue
        name = categories[category]
        try:
            x, y, width, height = map(float, item["bbox"])
        except (KeyError, TypeError, ValueError):
            detail = f"{name}: bbox {item.get('bbox')!r}; expected four numbers"
            findings.append(Finding(Problem.BAD_OBJECT, path, where, detail))
            continue
        corners = (x, y, x + width, y + height)
        objects.append(RawObject(name, corners, where, bool(item.get("iscrowd"))))
    return Annotation(objects, findings, size)
