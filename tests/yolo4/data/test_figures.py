"""The figures show every object and every image once."""

import numpy as np
import pytest

from tests.helpers.made_data import made_data_set, made_record
from utils.inspection.objects import Objects
from yolo4.config import Config
from yolo4.data import figures
from yolo4.data.summary import summarize

pytestmark = pytest.mark.quick

NAMES = tuple(f"class {i}" for i in range(30))


@pytest.fixture(scope="module")
def drawn():
    """The summary and the objects of 300 images in two splits."""
    rng = np.random.default_rng(0)

    def record(number):
        corners = rng.uniform(0, 300, (int(rng.integers(0, 90)), 2))
        sides = np.exp(rng.uniform(0.5, 5.5, corners.shape))
        labels = np.minimum(rng.geometric(0.15, len(corners)) - 1, len(NAMES) - 1)
        boxes = np.concatenate([corners, corners + sides], axis=1)
        size = (600, 600) if number % 3 else (600, 640)
        return made_record(f"{number}.jpg", size, *np.column_stack([labels, boxes]))

    splits = {"train": list(map(record, range(200))), "test": list(map(record, range(200, 300)))}
    config = Config()
    objects = Objects.of(splits, config.input_shape)
    return summarize(made_data_set(NAMES, splits), objects, config, []), objects


def column(plot, name):
    return [row[plot.head.index(name)] for row in plot.rows]


def test_every_object_is_in_the_numbers_of_its_class(drawn):
    summary, objects = drawn
    plot = figures.class_counts(summary)
    assert len(plot.rows) == len(NAMES)
    by_split = [sum(column(plot, split)) for split in ("train", "test")]
    assert by_split == np.bincount(objects.split).tolist()
    totals = np.add(column(plot, "train"), column(plot, "test")).tolist()
    assert totals == sorted(totals, reverse=True)
    assert len(plot.panels) == 2
    shown = "".join(plot.panels)
    assert plot.rows[0][0] in shown
    assert plot.rows[-1][0] in shown
    assert plot.rows[15][0] not in shown
    assert "24 of 30 classes" in plot.caption


def test_every_object_is_in_both_histograms_of_sizes(drawn):
    summary, objects = drawn
    plot = figures.object_sizes(summary, objects)
    where, counts = np.array(column(plot, "where")), np.array(column(plot, "objects"))
    assert [counts[where == name].sum() for name in dict.fromkeys(where)] == [len(objects)] * 2
    small = (objects.coco_sizes == 0).mean()
    assert f"small {small:.0%}" in plot.panels[0]
    assert f"lost {(objects.input_sides < 8).mean():.0%}" in plot.panels[1]


def test_every_object_of_train_fits_one_anchor_best(drawn):
    summary, objects = drawn
    plot = figures.anchor_counts(summary)
    of_train = np.count_nonzero(objects.split == 0)
    assert len(plot.rows) == 18
    assert sum(column(plot, "objects")) == 2 * of_train


def test_every_image_is_in_the_histogram_of_objects(drawn):
    summary, objects = drawn
    plot = figures.objects_per_image(objects)
    images = column(plot, "images")
    assert sum(images) == 300
    assert len(images) <= 32
    empty = sum(split["empty"] for split in summary["splits"])
    assert plot.caption.startswith(f"{empty} of 300 images have none")


def test_of_many_shapes_some_are_drawn(drawn):
    summary, objects = drawn
    plot = figures.shapes(summary, objects)
    assert len(plot.rows) == 1500 < len(objects)
    assert f"1,500 objects, a random sample of {len(objects):,}" in plot.caption
    assert len(plot.panels) == 2


def test_image_sizes_are_drawn_if_they_differ(drawn):
    summary, objects = drawn
    plot = figures.image_sizes(summary, objects)
    assert sorted(plot.rows) == [[600, 600, 200], [600, 640, 100]]
    same = made_data_set(("a",), {"train": [made_record("1", (90, 90), (0, 1, 1, 9, 9))] * 2})
    one_size = Objects.of(same.splits, (416, 416))
    assert figures.image_sizes(summarize(same, one_size, Config(), []), one_size) is None
