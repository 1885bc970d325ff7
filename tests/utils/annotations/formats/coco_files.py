"""Makes small COCO files."""

import json
from pathlib import Path

from tests.helpers.annotation_files import write_text

CATEGORIES = ((90, "zebra"), (3, "ant"))


def coco(names, annotations=(), categories=CATEGORIES, size=(60, 40)) -> dict:
    """Images numbered from 1; annotations as (image id, category id, bbox, iscrowd)."""
    width, height = size
    return {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, name in enumerate(names, start=1)
        ],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": bbox, "iscrowd": crowd}
            for n, (i, c, bbox, crowd) in enumerate(annotations, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }


def write_json(path: Path, content: object, encoding: str = "utf-8") -> Path:
    return write_text(path, json.dumps(content, ensure_ascii=False), encoding)


BOX = (1, 90, [10, 5, 20, 30], 0)
