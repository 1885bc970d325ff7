"""COCO JSON: boxes as x, y, width, height in pixels from 0; crowds count as difficult."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from utils.annotations.coco_images import ImagesBelow, path_parts
from utils.annotations.source import (
    Annotation,
    Entry,
    Kind,
    Problem,
    RawObject,
    Source,
    split_of,
)
from utils.errors import UserError
from utils.text import class_name, decode_text

# Other JSON files may lie about, but a broken one of these is a broken data set.
_MEANT = re.compile("train|val|test|coco|instances|annotation", re.IGNORECASE)


def read_coco(root: Path) -> Source | None:
    """Read a folder with COCO JSON files in it, in `annotations`, or in a folder of each split.

    COCO's own files for other tasks (captions, keypoints) are left alone.

    Returns:
        None where there are no COCO files.
    """
    places = [sorted(root.glob(pattern)) for pattern in ("[aA]nnotations/*.json", "[!.]*/*.json")]
    files = sorted(root.glob("*.json")) + next(filter(None, places), [])
    instances = [path for path in files if path.name.startswith("instances")]
    return read_coco_files(instances or files, root) if files else None


def read_coco_files(files: Sequence[Path], root: Path, required: bool = False) -> Source | None:
    """Read COCO JSON files, split by their names or those of their folders.

    Args:
        files: the JSON files.
        root: the folder to look for images in.
        required: whether a file that is no COCO object file is an error rather than left out.

    Returns:
        None where none of them is one.

    Raises:
        UserError: a file is no JSON, or has boxes for classes that it does not name.
    """
    source = Source("COCO JSON")
    images = ImagesBelow(root)
    names: dict[str, None] = {}
    for path in files:
        content = _load(path, required or _MEANT.search(path.name) is not None)
        if not _is_coco(content):
            if required:
                raise UserError(f"{path}: not COCO, needs 'images', 'annotations', 'categories'")
            source.notes.append(f"{path} holds no COCO objects and was left out")
            continue
        categories = _categories(content, path)
        names.update(dict.fromkeys(categories.values()))
        folders = path.parent.relative_to(root).parts if path.is_relative_to(root) else ()
        split = split_of([path.stem, *reversed(folders)])
        source.splits[split] += _entries(source, path, content, categories, images)
    source.class_names = tuple(names)
    return source if source.splits else None


def _load(path: Path, meant: bool) -> object:
    """The content of a JSON file; None where it is broken and not meant to be annotations."""
    try:
        return json.loads(decode_text(path.read_bytes()))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        if not meant:
            return None
        raise UserError(f"{path}, line {error.lineno}: bad JSON, {error.msg}") from error


def _is_coco(content: object) -> bool:
    keys = ("images", "annotations", "categories")
    lists = [content.get(key) for key in keys] if isinstance(content, dict) else [None]
    return all(isinstance(items, list) for items in lists) and all(
        isinstance(item, dict) for items in lists for item in items
    )


def _is_id(value: object) -> bool:
    return isinstance(value, int | float | str)


def _place(kind: str, number: int, item: dict) -> str:
    """Where an item stands: by its id, or by its number in the list."""
    return f"{kind} {item['id']}" if _is_id(item.get("id")) else f"{kind} no. {number}"


def _categories(content: dict, path: Path) -> dict[int, str]:
    """Names by category id, in the order of the ids, which may have gaps."""
    named = {}
    for number, category in enumerate(content["categories"], start=1):
        name = class_name(category.get("name"))
        if not _is_id(category.get("id")) or not name:
            raise UserError(f"{path}, category no. {number}: without a sound 'id' or a 'name'")
        named[category["id"]] = name
    return dict(sorted(named.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _entries(
    source: Source,
    path: Path,
    content: dict,
    categories: dict[int, str],
    images: ImagesBelow,
) -> list[Entry]:
    """An entry per image of one file; what cannot be matched becomes a problem of the source."""
    by_image = _by_image(source, path, content)
    namesakes = Counter(path_parts(name)[-1] for name in set(map(_file_name, content["images"])))
    entries, ids = [], set()
    for number, item in enumerate(content["images"], start=1):
        where, name, image_id = _place("image", number, item), _file_name(item), item.get("id")
        if not _is_id(image_id) or image_id in ids:
            wrong = "stands there twice" if _is_id(image_id) else "is no number or text"
            detail = f"{name or 'no file_name'}: id {image_id!r} {wrong}"
            source.problems.append(Problem(Kind.BAD_ANNOTATION, path, where, detail))
            continue
        ids.add(image_id)
        found = by_image.pop(image_id, [])
        image = images.find(name, path, is_unique=namesakes[path_parts(name)[-1]] == 1)
        if image is None:
            detail = f"no file {name!r} below {images.root}" if name else "no 'file_name'"
            source.problems.append(Problem(Kind.MISSING_IMAGE, path, where, detail))
            continue
        size = (item.get("width"), item.get("height"))
        size = size if all(isinstance(side, int) and side > 0 for side in size) else None
        entries.append(Entry(image, path, partial(_annotate, found, categories, size, path)))
    for image_id, found in by_image.items():
        detail = f"its image_id {image_id!r} is not among the images"
        source.problems += [Problem(Kind.BAD_OBJECT, path, where, detail) for where, _ in found]
    return entries


def _file_name(item: dict) -> str:
    return str(item.get("file_name") or "")


def _by_image(source: Source, path: Path, content: dict) -> dict[object, list[tuple[str, dict]]]:
    """Annotations and their places by image id; those without one become problems."""
    by_image = defaultdict(list)
    for number, item in enumerate(content["annotations"], start=1):
        where, image_id = _place("annotation", number, item), item.get("image_id")
        if _is_id(image_id):
            by_image[image_id].append((where, item))
        else:
            detail = f"its image_id {image_id!r} is no number or text"
            source.problems.append(Problem(Kind.BAD_OBJECT, path, where, detail))
    return by_image


def _annotate(
    found: list[tuple[str, dict]],
    categories: dict[int, str],
    size: tuple[int, int] | None,
    path: Path,
) -> Annotation:
    """The objects of one image."""
    objects, problems = [], []
    for where, item in found:
        if not _is_id(item.get("category_id")):
            detail = f"category_id {item.get('category_id')!r} is no number or text"
            problems.append(Problem(Kind.BAD_OBJECT, path, where, detail))
            continue
        if item["category_id"] not in categories:
            detail = f"category_id {item['category_id']!r} is not among the categories"
            problems.append(Problem(Kind.UNKNOWN_CLASS, path, where, detail))
            continue
        name = categories[item["category_id"]]
        try:
            x, y, width, height = map(float, item["bbox"])
        except (KeyError, TypeError, ValueError):
            detail = f"{name}: bbox {item.get('bbox')!r} is not four numbers"
            problems.append(Problem(Kind.BAD_OBJECT, path, where, detail))
            continue
        corners = (x, y, x + width, y + height)
        objects.append(RawObject(name, corners, where, bool(item.get("iscrowd"))))
    return Annotation(objects, problems, size)
