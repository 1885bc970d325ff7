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


@dataclass(frozen=True, eq=False)
class CompactRecords(Sequence[Record]):
    """Records in a few arrays, which take a sixth of the memory and are soon pickled.

    A record is made when it is asked for; its arrays are parts of the common ones.

    Attributes:
        images: paths of the image files.
        sizes: width and height of each image.
        digests: of each image file.
        ends: int64 `[images]`; the boxes of an image end there, where those of the next begin.
        boxes: float32 `[N, 4]`, of all images in turn.
        labels: int32 `[N]`.
        difficult: bool `[N]`.
    """

    images: list[str]
    sizes: list[tuple[int, int]]
    digests: list[bytes]
    ends: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray

    @classmethod
    def of(cls, records: Sequence[Record]) -> "CompactRecords":
        """Copy records."""
        boxes = [np.reshape(record.boxes, (-1, 4)) for record in records]
        return cls(
            [str(record.image) for record in records],
            [record.size for record in records],
            [record.digest for record in records],
            np.cumsum([len(record.labels) for record in records], dtype=np.int64),
            np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            np.concatenate([np.zeros(0, np.int32), *(record.labels for record in records)]),
            np.concatenate([np.zeros(0, bool), *(record.difficult for record in records)]),
        )

    def __len__(self) -> int:
        return len(self.images)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        """Make one record, or those of a slice."""
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        index = range(len(self))[index]
        rows = slice(int(self.ends[index - 1]) if index else 0, int(self.ends[index]))
        return Record(
            Path(self.images[index]),
            self.sizes[index],
            self.boxes[rows],
            self.labels[rows],
            self.difficult[rows],
            self.digests[index],
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
