"""Data sets of COCO's size: hard links to a few small pictures, and made-up boxes.

A file system limits the links to a file, and equal images in two splits are taken for leaks, so
each split has some hundred pictures to itself.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

BOXES_PER_IMAGE = 860_000 / 118_000
CLASSES = tuple(f"class {label}" for label in range(80))
WIDTH, HEIGHT = 96, 64
_PICTURES = 100
_MOST_BOXES = 93
_VAL_PART = 24  # one in so many images is of val, as in COCO
# Nothing reads the polygons, but a reader has to pass them: they are most of COCO's bytes.
_POLYGON_NUMBERS = 60

# Name, class and xyxy in whole pixels of each object of an image.
Image = tuple[str, np.ndarray, np.ndarray]


def write_voc(root: Path, images: int) -> None:
    """Pascal VOC with lists."""
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for split, count in _splits(images).items():
        names = []
        for name, labels, boxes in _images(root / "JPEGImages", split, count):
            objects = "".join(
                f"<object><name>{CLASSES[label]}</name><difficult>0</difficult><bndbox>"
                f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox>"
                "</object>\n"
                for label, (x1, y1, x2, y2) in zip(labels.tolist(), boxes.tolist(), strict=True)
            )
            size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
            text = f"<annotation><filename>{name}.jpg</filename>{size}\n{objects}</annotation>\n"
            (root / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
            names.append(f"{name}\n")
        (root / "ImageSets/Main" / f"{split}.txt").write_text("".join(names), encoding="utf-8")


def write_coco(root: Path, images: int) -> None:
    """COCO JSON, with polygons as long as COCO's."""
    (root / "annotations").mkdir(parents=True)
    rng = np.random.default_rng(1)
    polygons = [
        json.dumps([(rng.random(_POLYGON_NUMBERS) * HEIGHT).round(2).tolist()])
        for _ in range(_PICTURES)
    ]
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    for split, count in _splits(images).items():
        stated, number = [], 0
        path = root / "annotations" / f"instances_{split}2017.json"
        with path.open("w", encoding="utf-8") as file:
            file.write('{"annotations": [')
            for image, (name, labels, boxes) in enumerate(
                _images(root / f"{split}2017", split, count)
            ):
                size = {"width": WIDTH, "height": HEIGHT}
                stated.append({"id": image, "file_name": f"{name}.jpg", **size})
                for label, (x1, y1, x2, y2) in zip(labels.tolist(), boxes.tolist(), strict=True):
                    file.write(
                        f'{", " if number else ""}{{"segmentation": {polygons[number % _PICTURES]},'
                        f' "area": {(x2 - x1) * (y2 - y1)}, "iscrowd": 0, "image_id": {image}, '
                        f'"bbox": [{x1}, {y1}, {x2 - x1}, {y2 - y1}], "category_id": {label + 1}, '
                        f'"id": {number}}}'
                    )
                    number += 1
            file.write(
                f'], "images": {json.dumps(stated)}, "categories": {json.dumps(categories)}}}'
            )


def write_yolo(root: Path, images: int) -> None:
    """YOLO text files with a `data.yaml`."""
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(CLASSES))
    for split, count in _splits(images).items():
        folder = root / "labels" / split
        folder.mkdir(parents=True)
        for name, labels, boxes in _images(root / "images" / split, split, count):
            fractions = boxes / (WIDTH, HEIGHT, WIDTH, HEIGHT)
            corners = np.split(fractions, 2, axis=1)
            rows = np.hstack([(corners[0] + corners[1]) / 2, corners[1] - corners[0]])
            lines = [
                f"{label} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n"
                for label, (x, y, width, height) in zip(labels.tolist(), rows.tolist(), strict=True)
            ]
            (folder / f"{name}.txt").write_text("".join(lines), encoding="utf-8")
    text = f"path: .\ntrain: images/train\nval: images/val\nnames:\n{names}"
    (root / "data.yaml").write_text(text, encoding="utf-8")


FORMATS: dict[str, Callable[[Path, int], None]] = {
    "VOC": write_voc,
    "COCO": write_coco,
    "YOLO": write_yolo,
}


def _splits(images: int) -> dict[str, int]:
    val = max(1, images // _VAL_PART)
    return {"train": images - val, "val": val}


def _images(folder: Path, split: str, count: int) -> Iterator[Image]:
    """Link the images of a split into a folder, and draw their objects."""
    rng = np.random.default_rng([len(split), count])
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    counts = np.minimum(rng.geometric(1 / (BOXES_PER_IMAGE + 1), count) - 1, _MOST_BOXES)
    for number, objects in enumerate(counts.tolist()):
        name = f"{split}_{number:012}"
        path = folder / f"{name}.jpg"
        if number < _PICTURES:
            pixels = rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
            path.write_bytes(cv2.imencode(".jpg", cv2.blur(pixels, (9, 9)))[1].tobytes())
            pictures.append(path)
        else:
            os.link(pictures[number % _PICTURES], path)
        corners = rng.random((objects, 2)) * (WIDTH - 8, HEIGHT - 8)
        sides = 4 + rng.random((objects, 2)) ** 2 * ((WIDTH, HEIGHT) - corners - 4)
        boxes = np.hstack([corners, corners + sides]).astype(np.int64)
        yield name, rng.integers(0, len(CLASSES), objects), boxes
