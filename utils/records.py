"""Annotated images and detections, as every part of the program exchanges them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class Record:
    """One annotated image.

    Attributes:
        image: path of the image file.
        size: width and height in pixels, as displayed (after the EXIF rotation).
        boxes: float32 `[N, 4]`, xyxy in pixels of the image as displayed.
        labels: int32 `[N]`, indices into the data set's class names.
        difficult: bool `[N]`; these objects are neither positives nor negatives.
        digest: a hash of the image file's bytes; empty if it is not known.
    """

    image: Path
    size: tuple[int, int]
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    digest: bytes = b""


class CompactRecords(Sequence[Record]):
    """Records in a few arrays, which take a sixth of the memory and are soon pickled.

    A record is made when it is asked for; its arrays are parts of the common ones.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        """Copy the records."""
        self._images = [str(record.image) for record in records]
        self._sizes = [record.size for record in records]
        self._digests = [record.digest for record in records]
        self._ends = np.cumsum([len(record.labels) for record in records], dtype=np.int64)
        boxes = [np.reshape(record.boxes, (-1, 4)) for record in records]
        self._boxes = np.concatenate([np.zeros((0, 4), np.float32), *boxes])
        self._labels = np.concatenate([np.zeros(0, np.int32), *(r.labels for r in records)])
        self._difficult = np.concatenate([np.zeros(0, bool), *(r.difficult for r in records)])

    def __len__(self) -> int:
        return len(self._images)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Make one record, or those of a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        index = range(len(self))[index]
        rows = slice(int(self._ends[index - 1]) if index else 0, int(self._ends[index]))
        return Record(
            Path(self._images[index]),
            self._sizes[index],
            self._boxes[rows],
            self._labels[rows],
            self._difficult[rows],
            self._digests[index],
        )


def count_boxes(records: Sequence[Record], class_count: int) -> np.ndarray:
    """Count the boxes of each class, difficult ones too, int64 `[C]`."""
    labels = [np.zeros(0, np.int32), *(record.labels for record in records)]
    return np.bincount(np.concatenate(labels), minlength=class_count)


@dataclass(frozen=True, eq=False)
class Detections:
    """The detections in one image, highest score first.

    Attributes:
        boxes: float32 `[N, 4]`, xyxy in pixels of the image they belong to.
        scores: float32 `[N]` in 0..1.
        labels: int32 `[N]`, indices into the class names.
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)
