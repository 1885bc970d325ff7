"""Objects as columns: a hand-worked data set."""

from pathlib import Path

import numpy as np
import pytest

from utils.inspection.objects import Objects, count_by
from utils.metrics.coco_map import SIZES
from utils.records import Record

pytestmark = pytest.mark.quick


def record(size, *rows):
    """An image with objects `(label, x1, y1, x2, y2, difficult)`."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Record(
        Path("a.jpg"),
        size,
        table[:, 1:5].astype(np.float32),
        table[:, 0].astype(np.int32),
        table[:, 5].astype(bool),
    )


@pytest.fixture
def splits():
    return {
        "train": [
            record((200, 100), (0, 0, 0, 40, 10, 0), (1, 0, 0, 9, 9, 1), (1, 5, 5, 105, 105, 0)),
            record((100, 100)),
        ],
        "test": [record((50, 100), (1, 0, 0, 4, 16, 0))],
    }


def test_columns_of_all_splits_without_difficult_objects(splits):
    objects = Objects.of(splits, (400, 400))
    assert len(objects) == 3
    assert objects.difficult == 1
    assert objects.splits == ("train", "test")
    assert objects.split.tolist() == [0, 0, 1]
    assert objects.image.tolist() == [0, 0, 2]
    assert objects.label.tolist() == [0, 1, 1]
    assert objects.sizes.tolist() == [[40, 10], [100, 100], [4, 16]]
    assert objects.sides.tolist() == [20, 100, 8]
    # The images of 200x100 and 50x100 are enlarged by 2 and 4.
    assert objects.input_sizes.tolist() == [[80, 20], [200, 200], [16, 64]]
    assert objects.input_sides.tolist() == [40, 200, 32]


def test_a_stretched_image_has_two_scales(splits):
    objects = Objects.of(splits, (400, 600), "stretch")
    # 600/200 by 400/100, and 600/50 by 400/100.
    assert objects.input_sizes.tolist() == [[120, 40], [300, 400], [48, 64]]


@pytest.mark.parametrize(
    ("side", "name"),
    [(1, "small"), (31.9, "small"), (32, "medium"), (96, "medium"), (96.1, "large")],
)
def test_sizes_are_those_of_coco(side, name):
    objects = Objects.of({"val": [record((640, 480), (0, 0, 0, side, side, 0))]}, (416, 416))
    assert SIZES[objects.coco_sizes[0]] == name


def test_data_without_objects_has_empty_columns():
    objects = Objects.of({"train": [record((10, 10))]}, (416, 416))
    assert len(objects) == objects.difficult == 0
    assert objects.boxes.shape == (0, 4)
    assert objects.sides.shape == objects.coco_sizes.shape == (0,)


def test_pairs_are_counted():
    counts = count_by(np.array([0, 2, 2, 2]), np.array([1, 0, 1, 1]), (3, 2))
    assert counts.tolist() == [[0, 1], [0, 0], [1, 2]]
