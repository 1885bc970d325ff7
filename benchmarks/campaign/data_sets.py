"""One small data set in every format, of the same three images and boxes."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = (60, 40)
NAMES = ("apple", "leaf")
STEMS = ("a", "b", "c")
# Class and xyxy in pixels, of each image.
BOXES = ((0, 4, 6, 24, 30), (1, 20, 8, 50, 36))


def write_images(folder: Path, suffix: str = ".jpg") -> None:
    """Write the three images, of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, stem in enumerate(STEMS):
        pixels = np.random.default_rng(seed).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{stem}{suffix}")


def write_voc(folder: Path) -> None:
    """Pascal VOC with lists."""
    write_images(folder / "JPEGImages")
    size = f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>"
    objects = "\n".join(
        f"<object><name>{NAMES[label]}</name><difficult>0</difficult><bndbox><xmin>{x1}</xmin>"
        f"<ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for label, x1, y1, x2, y2 in BOXES
    )
    for stem in STEMS:
        text = f"<annotation><filename>{stem}.jpg</filename>{size}\n{objects}</annotation>"
        _write(folder / "Annotations" / f"{stem}.xml", text)
    _write(folder / "ImageSets/Main/train.txt", "a\nb\n")
    _write(folder / "ImageSets/Main/val.txt", "c\n")


def write_coco(folder: Path) -> None:
    """COCO JSON."""
    write_images(folder / "images")
    images = [
        {"id": number, "file_name": f"{stem}.jpg", "width": SIZE[0], "height": SIZE[1]}
        for number, stem in enumerate(STEMS)
    ]
    boxes = [
        {"image_id": n, "category_id": label + 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "iscrowd": 0}
        for n in range(len(STEMS))
        for label, x1, y1, x2, y2 in BOXES
    ]
    boxes = [{"id": number, **box} for number, box in enumerate(boxes)]
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(NAMES)]
    content = {"images": images, "annotations": boxes, "categories": categories}
    _write_json(folder / "instances.json", content)


def write_yolo(folder: Path) -> None:
    """YOLO text files with a `data.yaml`."""
    width, height = SIZE
    lines = "".join(
        f"{label} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
        f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
        for label, x1, y1, x2, y2 in BOXES
    )
    write_images(folder / "images")
    for stem in STEMS:
        _write(folder / "labels" / f"{stem}.txt", lines)
    names = "".join(f"  {label}: {name}\n" for label, name in enumerate(NAMES))
    _write(folder / "data.yaml", f"path: .\ntrain: images\nval: images\nnc: 2\nnames:\n{names}")


def write_yolo_list(folder: Path) -> None:
    """YOLO text files with a list of images and `classes.txt`."""
    write_yolo(folder)
    (folder / "data.yaml").unlink()
    _write(folder / "labels" / "classes.txt", "".join(f"{name}\n" for name in NAMES))


def write_lists(folder: Path) -> None:
    """One line per image."""
    write_images(folder)
    boxes = " ".join(f"{x1},{y1},{x2},{y2},{label}" for label, x1, y1, x2, y2 in BOXES)
    _write(folder / "train.txt", "".join(f"{stem}.jpg {boxes}\n" for stem in STEMS))
    _write(folder / "classes.txt", "".join(f"{name}\n" for name in NAMES))


def write_tf_csv(folder: Path) -> None:
    """CSV of the TensorFlow Object Detection API."""
    write_images(folder)
    rows = [(f"{stem}.jpg", *SIZE, NAMES[label], *box) for stem in STEMS for label, *box in BOXES]
    header = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
    _write_csv(folder / "_annotations.csv", [header, *rows])


def write_cvat(folder: Path) -> None:
    """CVAT for images."""
    write_images(folder / "images")
    boxes = "\n".join(
        f'<box label="{NAMES[label]}" occluded="0" xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
        for label, x1, y1, x2, y2 in BOXES
    )
    images = "\n".join(
        f'<image id="{n}" name="{stem}.jpg" width="{SIZE[0]}" height="{SIZE[1]}">{boxes}</image>'
        for n, stem in enumerate(STEMS)
    )
    text = f"<annotations><version>1.1</version><meta></meta>\n{images}\n</annotations>"
    _write(folder / "annotations.xml", text)


def write_createml(folder: Path) -> None:
    """CreateML JSON."""
    write_images(folder)
    boxes = [
        {
            "label": NAMES[label],
            "coordinates": {
                **{"x": (x1 + x2) / 2, "y": (y1 + y2) / 2},
                **{"width": x2 - x1, "height": y2 - y1},
            },
        }
        for label, x1, y1, x2, y2 in BOXES
    ]
    content = [{"image": f"{stem}.jpg", "annotations": boxes} for stem in STEMS]
    _write_json(folder / "_annotations.createml.json", content)


def write_labelme(folder: Path) -> None:
    """LabelMe JSON, one file per image."""
    write_images(folder)
    shapes = [
        {"label": NAMES[label], "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle"}
        for label, x1, y1, x2, y2 in BOXES
    ]
    for stem in STEMS:
        size = {"imageHeight": SIZE[1], "imageWidth": SIZE[0]}
        image = {"imagePath": f"{stem}.jpg", "imageData": None, **size}
        _write_json(folder / f"{stem}.json", {"version": "5.4.1", "shapes": shapes, **image})


def write_via_json(folder: Path) -> None:
    """VIA's JSON."""
    write_images(folder)
    regions = [
        {"shape_attributes": shape, "region_attributes": {"type": name}}
        for shape, name in _via_regions()
    ]
    image = {"size": 9, "regions": regions, "file_attributes": {}}
    content = {f"{stem}.jpg9": {"filename": f"{stem}.jpg", **image} for stem in STEMS}
    _write_json(folder / "via.json", content)


def write_via_csv(folder: Path) -> None:
    """VIA's CSV."""
    write_images(folder)
    header = ("filename", "file_size", "file_attributes", "region_count", "region_id")
    header += ("region_shape_attributes", "region_attributes")
    rows = [
        (f"{stem}.jpg", 9, "{}", 2, number, json.dumps(shape), json.dumps({"type": name}))
        for stem in STEMS
        for number, (shape, name) in enumerate(_via_regions())
    ]
    _write_csv(folder / "via.csv", [header, *rows])


def _via_regions() -> list[tuple[dict[str, Any], str]]:
    return [
        ({"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1}, NAMES[label])
        for label, x1, y1, x2, y2 in BOXES
    ]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _write_json(path: Path, content: Any) -> None:
    _write(path, json.dumps(content, indent=1))


def _write_csv(path: Path, rows: list) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    _write(path, text.getvalue())


# The writer of each format, and the files that are changed.
FORMATS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "Pascal VOC": (write_voc, ("Annotations/*.xml", "ImageSets/Main/*.txt")),
    "COCO JSON": (write_coco, ("instances.json",)),
    "YOLO with data.yaml": (write_yolo, ("data.yaml", "labels/a.txt")),
    "YOLO with classes.txt": (write_yolo_list, ("labels/*.txt",)),
    "list files": (write_lists, ("train.txt", "classes.txt")),
    "TensorFlow CSV": (write_tf_csv, ("_annotations.csv",)),
    "CVAT": (write_cvat, ("annotations.xml",)),
    "CreateML": (write_createml, ("_annotations.createml.json",)),
    "LabelMe": (write_labelme, ("a.json",)),
    "VIA JSON": (write_via_json, ("via.json",)),
    "VIA CSV": (write_via_csv, ("via.csv",)),
}
