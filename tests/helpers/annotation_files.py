"""Tiny data sets on disk for the tests of utils.annotations."""

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from utils.annotations import DataSet, Problem, load_dataset

WIDTH, HEIGHT = 60, 40
Object = tuple[str, float, float, float, float]
CAT: Object = ("cat", 1, 2, 30, 20)
DOG: Object = ("dog", 10, 5, 60, 40)
_drawn = itertools.count()


def write_image(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), orientation: int = 1) -> Path:
    """Write an image unlike every other, with the given size as stored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size[1], size[0], 3), 128, np.uint8)
    pixels[:8, :8] = np.random.default_rng(next(_drawn)).integers(0, 256, pixels[:8, :8].shape)
    exif = Image.Exif()
    if orientation != 1:
        exif[0x0112] = orientation
    format = "JPEG" if path.suffix.lower() in (".jpg", ".jpeg") else None
    Image.fromarray(pixels).save(path, format, exif=exif, quality=100, subsampling=0)
    return path


def voc_xml(
    objects: Sequence[Object] = (),
    size: tuple[int, int] | None = (WIDTH, HEIGHT),
    filename: str = "",
    extra: str = "",
) -> str:
    """The text of a VOC annotation; `extra` goes into every object."""
    stated_size = f"<size><width>{size[0]}</width><height>{size[1]}</height></size>" if size else ""
    body = "\n".join(
        f"<object><name>{name}</name>{extra}<bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin>"
        f"<xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
        for name, x1, y1, x2, y2 in objects
    )
    return f"<annotation><filename>{filename}</filename>{stated_size}\n{body}\n</annotation>"


def write_text(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def write_voc(
    root: Path,
    images: dict[str, Sequence[Object]],
    splits: dict[str, Sequence[str]] | None = None,
) -> Path:
    """Write a VOC data set: objects by image stem, and split lists of stems."""
    for stem, objects in images.items():
        write_image(root / "JPEGImages" / f"{stem}.jpg")
        write_text(root / "Annotations" / f"{stem}.xml", voc_xml(objects))
    for split, stems in (splits or {}).items():
        write_text(root / "ImageSets" / "Main" / f"{split}.txt", "\n".join(stems) + "\n")
    return root


def load(*data: Path, **options) -> DataSet:
    """Load without a progress bar or a printed report."""
    return load_dataset(data, progress=False, **options)


def problem_counts(data: DataSet) -> dict[Problem, int]:
    return dict(data.report.problem_counts)


def stems(data: DataSet) -> dict[str, list[str]]:
    return {split: [r.image.stem for r in records] for split, records in data.splits.items()}


def all_records(data: DataSet) -> dict[str, object]:
    """Every record by the stem of its image."""
    return {r.image.stem: r for records in data.splits.values() for r in records}
