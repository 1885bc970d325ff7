"""The objects of a data set as columns, with their sizes in the image and in the input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.anchors import box_sizes
from utils.boxes import area
from utils.metrics.coco_map import size_of
from utils.records import Record
from utils.resize import Resize


@dataclass(frozen=True, eq=False)
class Objects:
    """The objects of a data set, one row each; those marked difficult are left out.

    Attributes:
        records: all images.
        splits: names of the splits.
        split: int64 `[N]`, the split of each object, an index into `splits`.
        image: int64 `[N]`, the image of each object, an index into `records`.
        label: int32 `[N]`.
        boxes: float32 `[N, 4]`, xyxy in pixels of the image.
        input_sizes: float32 `[N, 2]`, width and height in pixels of the network's input.
    """

    records: Sequence[Record]
    splits: tuple[str, ...]
    split: np.ndarray
    image: np.ndarray
    label: np.ndarray
    boxes: np.ndarray
    input_sizes: np.ndarray

    @classmethod
    def of(
        cls,
        splits: Mapping[str, Sequence[Record]],
        input_size: tuple[int, int],
        resize: Resize = "letterbox",
    ) -> "Objects":
        """Collect the objects of all splits.

        Args:
            splits: records by split.
            input_size: height and width of the network's input in pixels.
            resize: how images are fitted to the input.
        """
        records = [record for part in splits.values() for record in part]
        kept = [~record.difficult for record in records]
        counts = [int(rows.sum()) for rows in kept]
        image = np.repeat(np.arange(len(records)), counts)
        split_of_image = np.repeat(np.arange(len(splits)), [len(part) for part in splits.values()])
        boxes = [record.boxes[rows] for record, rows in zip(records, kept, strict=True)]
        labels = [record.labels[rows] for record, rows in zip(records, kept, strict=True)]
        return cls(
            records,
            tuple(splits),
            split_of_image[image],
            image,
            np.concatenate([np.zeros(0, np.int32), *labels]),
            np.concatenate([np.zeros((0, 4), np.float32), *boxes]),
            box_sizes(records, input_size, resize),
        )

    def __len__(self) -> int:
        return len(self.label)

    @property
    def sizes(self) -> np.ndarray:
        """Width and height in pixels of the image, `[N, 2]`."""
        return self.boxes[:, 2:] - self.boxes[:, :2]

    @property
    def sides(self) -> np.ndarray:
        """The side of a square of the same area, in pixels of the image, `[N]`."""
        return np.sqrt(self.sizes.prod(axis=1))

    @property
    def input_sides(self) -> np.ndarray:
        """The side of a square of the same area, in pixels of the network's input, `[N]`."""
        return np.sqrt(self.input_sizes.prod(axis=1))

    @property
    def coco_sizes(self) -> np.ndarray:
        """Index of the size of each object in the image into COCO's `SIZES`, int64 `[N]`."""
        return size_of(area(self.boxes))

    @property
    def difficult(self) -> int:
        """How many objects were left out."""
        return sum(len(record.labels) for record in self.records) - len(self)


def count_by(values: np.ndarray, groups: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How often each value occurs in each group, int64 `[values, groups]`."""
    counts = np.zeros(shape, np.int64)
    np.add.at(counts, (values, groups), 1)
    return counts
