"""Annotated images and detections, as every part of the program exchanges them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True, eq=False)
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
