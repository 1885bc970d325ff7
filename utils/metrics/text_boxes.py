"""Detections and ground truth of any detector, as text: one file per image, one line per box.

A detection is `class score x1 y1 x2 y2`. An object is `class x1 y1 x2 y2`, optionally followed by
`difficult` or `1` if it is difficult, or `0` if it is not. Coordinates are in pixels; class names
may contain spaces. The two files of an image have the same name, ending in `.txt`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from utils.errors import UserError
from utils.files.reading import read_text
from utils.printable import brief
from utils.records import Detections, Record
from utils.text import class_name

_LARGEST = 1e9  # pixels; the area of such a box is still a float32
_FLAGS = {"difficult": True, "1": True, "0": False}

Numbers = tuple[float, ...]
Row = TypeVar("Row")


@dataclass(frozen=True, eq=False)
class TextBoxes:
    """The boxes of both folders.

    Attributes:
        class_names: all names that occur, sorted.
        records: the annotated images, in the order of their names.
        detections: of each of these images.
        without_detections: names of the images that have no detection file.
        without_area: places of objects without area, `file:line`; these objects are left out.
    """

    class_names: tuple[str, ...]
    records: list[Record]
    detections: list[Detections]
    without_detections: tuple[str, ...]
    without_area: tuple[str, ...]


def read_text_boxes(detections: str | Path, ground_truth: str | Path) -> TextBoxes:
    """Read a folder of detection files and a folder of ground-truth files, with their subfolders.

    Raises:
        UserError: a folder is missing, the ground truth is empty, a detection file has no
            ground-truth file, or a line is malformed (the message names file and line).
    """
    detection_files, truth_files = _text_files(Path(detections)), _text_files(Path(ground_truth))
    if not truth_files:
        raise UserError(f"{ground_truth}: no .txt file there; each image needs one")
    unmatched = sorted(detection_files.keys() - truth_files.keys())
    if unmatched:
        file, others = detection_files[unmatched[0]], len(unmatched) - 1
        raise UserError(
            f"{file}: there is no {unmatched[0]}.txt in {ground_truth}"
            + (f", nor for {others} other detection files" if others else "")
            + "; an image without objects needs an empty file"
        )
    truth = {name: _read(file, _object) for name, file in truth_files.items()}
    detected = {name: _read(file, _detection) for name, file in detection_files.items()}
    names = {row[0] for rows in (*truth.values(), *detected.values()) for row in rows.values()}
    labels = {name: label for label, name in enumerate(sorted(names))}
    without_area = [
        f"{truth_files[name]}:{line}"
        for name, rows in truth.items()
        for line, (_, box, _) in rows.items()
        if not _area(box)
    ]
    return TextBoxes(
        class_names=tuple(labels),
        records=[_record(name, rows, labels) for name, rows in truth.items()],
        detections=[_detections(detected.get(name, {}), labels) for name in truth],
        without_detections=tuple(name for name in truth if name not in detected),
        without_area=tuple(without_area),
    )


def of_common_classes(several: Sequence[TextBoxes]) -> list[TextBoxes]:
    """The same boxes, with labels that index the names that occur in any of them, sorted."""
    names = sorted({name for boxes in several for name in boxes.class_names})
    return [_with_names(boxes, names) for boxes in several]


def _with_names(boxes: TextBoxes, names: Sequence[str]) -> TextBoxes:
    numbers = {name: number for number, name in enumerate(names)}
    labels = np.array([numbers[name] for name in boxes.class_names], np.int32)
    return replace(
        boxes,
        class_names=tuple(names),
        records=[replace(each, labels=labels[each.labels]) for each in boxes.records],
        detections=[replace(each, labels=labels[each.labels]) for each in boxes.detections],
    )


def _text_files(folder: Path) -> dict[str, Path]:
    """The text files of a folder by their relative path without the suffix, sorted."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    files = (f for f in folder.rglob("[!.]*") if f.suffix.lower() == ".txt" and f.is_file())
    return dict(sorted((f.relative_to(folder).with_suffix("").as_posix(), f) for f in files))


def _read(file: Path, parse: Callable[[list[str]], Row]) -> dict[int, Row]:
    """Parse the lines of a file, by line number."""
    rows = {}
    for number, line in enumerate(read_text(file).splitlines(), start=1):
        if line.strip():
            try:
                rows[number] = parse(line.split())
            except ValueError as error:
                detail = f"{brief(line.strip())}: {error}"
                raise UserError(f"{file}:{number}: {detail}") from error
    return rows


def _object(words: list[str]) -> tuple[str, Numbers, bool]:
    """Name, box and whether the object is difficult, of a ground-truth line."""
    expected = "an object is: class x1 y1 x2 y2 [difficult]"
    if words[-1] in _FLAGS:
        try:
            name, box = _split(words[:-1], 4, expected)
            _check_box(box)
            return name, box, _FLAGS[words[-1]]
        except ValueError:
            # The last word may be y2.
            if words[-1] == "difficult":
                raise
    name, box = _split(words, 4, expected)
    _check_box(box)
    return name, box, False


def _detection(words: list[str]) -> tuple[str, Numbers, float]:
    """Name, box and score of a detection line."""
    name, numbers = _split(words, 5, "a detection is: class score x1 y1 x2 y2")
    score, box = numbers[0], numbers[1:]
    _check_box(box)
    return name, box, score


def _split(words: list[str], count: int, expected: str) -> tuple[str, Numbers]:
    """The name and the numbers at the end of the line."""
    try:
        # As they are stored, so that no box loses its area later.
        numbers = tuple(float(np.float32(float(word))) for word in words[-count:])
    except ValueError as error:
        raise ValueError(expected) from error
    if len(words) <= count or not all(abs(number) <= _LARGEST for number in numbers):
        raise ValueError(expected)
    return class_name(" ".join(words[:-count])), numbers


def _check_box(box: Numbers) -> None:
    x1, y1, x2, y2 = box
    if x2 < x1 or y2 < y1:
        raise ValueError("x2 and y2 must not be below x1 and y1")


def _area(box: Numbers) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _record(
    name: str, rows: dict[int, tuple[str, Numbers, bool]], labels: dict[str, int]
) -> Record:
    with_area = [row for row in rows.values() if _area(row[1])]
    boxes = np.array([box for _, box, _ in with_area], np.float32).reshape(-1, 4)
    # The image itself is not available; no measurement depends on its size.
    width, height = boxes[:, 2:].max(axis=0, initial=1.0).tolist()
    return Record(
        image=Path(name),
        size=(math.ceil(width), math.ceil(height)),
        boxes=boxes,
        labels=np.array([labels[c] for c, _, _ in with_area], np.int32),
        difficult=np.array([difficult for _, _, difficult in with_area], bool),
    )


def _detections(rows: dict[int, tuple[str, Numbers, float]], labels: dict[str, int]) -> Detections:
    best_first = sorted(rows.values(), key=lambda row: -row[2])
    return Detections(
        boxes=np.array([box for _, box, _ in best_first], np.float32).reshape(-1, 4),
        scores=np.array([score for _, _, score in best_first], np.float32),
        labels=np.array([labels[c] for c, _, _ in best_first], np.int32),
    )
