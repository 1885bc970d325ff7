"""The pictures of the page: images of each class, odd boxes, and images that two splits share."""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np

from utils.draw import Color, class_color
from utils.image import ImageError, read_image
from utils.inspection import odd_boxes
from utils.inspection.objects import Objects
from utils.inspection.odd_boxes import OddBox
from utils.page.thumbnails import fit, jpeg_uri, thumbnail_uri, view_around
from utils.records import Record
from yolo4.data.summary import Summary

Picture = dict[str, Any]

_MOST_PICTURES = 360  # of all classes together, so that the page has less than 20 MB
_MOST_OF_A_CLASS, _LEAST_OF_A_CLASS = 12, 3
_MOST_ODD = 12
_MOST_PAIRS = 24
_SIDE = 320  # pixels of a picture
_RATIO = 4 / 3  # of its width and height
_READ_SIDE = 640
_TINY = 0.12  # of the image's side: the picture shows a part of the image
_VISIBLE = 4  # part of the image's longer side that is cut out then
_OTHERS: Color = (235, 235, 235)

Job = TypeVar("Job")


def add_pictures(summary: Summary, objects: Objects, class_names: Sequence[str]) -> None:
    """Add `sheets`, `odd` and the pictures of `leaks` to a summary, in place."""
    summary["sheets"] = _sheets(summary, objects)
    summary["odd"] = _odd(objects, class_names)
    pairs = summary["leaks"]["pairs"][:_MOST_PAIRS]
    for key in ("image", "other_image"):
        files = [Path(pair[key]) for pair in pairs]
        pictures = _in_parallel(lambda file: thumbnail_uri(file, _SIDE), files)
        for pair, picture in zip(pairs, pictures, strict=True):
            pair[f"{key}_picture"] = picture


def _in_parallel(draw: Callable[[Job], Any], jobs: Iterable[Job]) -> list[Any]:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(draw, jobs))


def _sheets(summary: Summary, objects: Objects) -> list[dict[str, Any]]:
    """Images of each class, evenly spread over all that show it; the rarest class first."""
    shown = [entry for entry in summary["classes"] if entry["total"]]
    per_class = np.clip(_MOST_PICTURES // max(1, len(shown)), _LEAST_OF_A_CLASS, _MOST_OF_A_CLASS)
    shown = shown[: _MOST_PICTURES // int(per_class)]
    sheets = []
    for entry in shown:
        rows = np.flatnonzero(objects.label == entry["label"])
        images, first = np.unique(objects.image[rows], return_index=True)
        chosen = np.unique(np.linspace(0, len(images) - 1, per_class).round().astype(int))
        pictures = _in_parallel(lambda row: _of_class(objects, row), rows[first[chosen]].tolist())
        sheets.append(
            {
                "name": entry["name"],
                "images": len(images),
                "total": entry["total"],
                "color": "#{:02x}{:02x}{:02x}".format(*class_color(entry["label"])),
                "pictures": list(filter(None, pictures)),
            }
        )
    return sheets


def _of_class(objects: Objects, row: int) -> Picture | None:
    """The image of an object with all boxes of its class; a part of it if the object is tiny."""
    record, label = objects.records[objects.image[row]], int(objects.label[row])
    of_class = record.labels == label
    sides = objects.sizes[row].max() / max(record.size)
    box = objects.boxes[row] if sides < _TINY else None
    boxes = [
        (b, class_color(label) if mine else _OTHERS)
        for b, mine in zip(record.boxes, of_class, strict=True)
    ]
    boxes.sort(key=lambda pair: pair[1] != _OTHERS)
    return _picture(record, boxes, box)


@dataclass(frozen=True)
class _OddBoxes:
    """Boxes that stand out in one way; `words` says it of the value of each."""

    title: str
    note: str
    words: str
    boxes: list[OddBox]


def _odd(objects: Objects, class_names: Sequence[str]) -> list[dict[str, Any]]:
    pairs, count = odd_boxes.nearly_equal(objects, _MOST_ODD)
    largest = odd_boxes.largest(objects, _MOST_ODD)
    smallest = odd_boxes.smallest(objects, _MOST_ODD)
    longest = odd_boxes.longest(objects, _MOST_ODD)
    by_area = "By their area in the network's input, given as the side of such a square."
    by_ratio = "By the ratio of the longer to the shorter side."
    return [
        {
            "title": kind.title,
            "note": kind.note,
            "pictures": [
                picture
                for picture in _in_parallel(
                    partial(_of_box, objects, class_names, kind), kind.boxes
                )
                if picture
            ],
        }
        for kind in (
            _OddBoxes("Nearly equal pairs", _pairs_note(count), "IoU {:.2f}", pairs),
            _OddBoxes(
                "Largest", "By the part of the image that they take.", "{:.0%} of it", largest
            ),
            _OddBoxes("Smallest", by_area, "{:.1f} px", smallest),
            _OddBoxes("Longest", by_ratio, "{:.1f} to 1", longest),
        )
    ]


def _pairs_note(count: int) -> str:
    least = f"an IoU of {odd_boxes.NEARLY_EQUAL} or more"
    if not count:
        return f"No two boxes of an image have {least}."
    pairs = "1 pair of boxes of an image has" if count == 1 else f"{count:,} pairs of boxes have"
    return f"{pairs} {least}: one object may be annotated twice."


def _of_box(
    objects: Objects, class_names: Sequence[str], kind: _OddBoxes, odd: OddBox
) -> Picture | None:
    """An odd box with its surroundings."""
    rows = [odd.object] if odd.other is None else [odd.object, odd.other]
    record = objects.records[objects.image[odd.object]]
    boxes = [(objects.boxes[row], class_color(int(objects.label[row]))) for row in rows]
    picture = _picture(record, boxes, objects.boxes[odd.object])
    if picture is None:
        return None
    names = " and ".join(dict.fromkeys(class_names[int(objects.label[row])] for row in rows))
    return picture | {"words": kind.words.format(odd.value), "class": names}


def _picture(
    record: Record, boxes: Sequence[tuple[np.ndarray, Color]], around: np.ndarray | None
) -> Picture | None:
    """An image, or the part of it around a box, with boxes outlined; None if it can't be read."""
    try:
        pixels = read_image(record.image, 0 if around is not None else _READ_SIDE)
    except ImageError:
        return None
    to_pixels = pixels.shape[1] / record.size[0]
    if around is None:
        (drawn, scale), corner = fit(pixels, _SIDE), (0, 0)
    else:
        least = max(record.size) / _VISIBLE
        view = (_SIDE, round(_SIDE / _RATIO))
        drawn, corner, scale = view_around(pixels, around.tolist(), view, least)
    lines = [
        (((np.reshape(box, (2, 2)) * to_pixels - corner) * scale).round().astype(int), color)
        for box, color in boxes
    ]
    for corners, color in lines:
        (x1, y1), (x2, y2) = corners.tolist()
        cv2.rectangle(drawn, (x1, y1), (x2, y2), color, 1 if color == _OTHERS else 3)
    return {"picture": jpeg_uri(drawn), "image": record.image.name}
