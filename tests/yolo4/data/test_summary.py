"""The numbers of the page: a hand-worked data set."""

import json

import numpy as np
import pytest

from tests.helpers.made_data import made_data_set, made_record, zero_area
from utils.inspection.leaks import Leak
from utils.inspection.objects import Objects
from yolo4.config import Config
from yolo4.data.summary import summarize
from yolo4.data.table import describe

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog", "eel")
CONFIG = Config(data=("some/my_data", "more"), input_size=320)


@pytest.fixture
def data_set():
    """Images of 640x640, so that the input has half of every size."""
    size = (640, 640)
    splits = {
        "train": [
            made_record("1.jpg", size, (0, 0, 0, 100, 100), (0, 0, 0, 40, 40), (1, 0, 0, 12, 12)),
            made_record("2.jpg", size),
            made_record("3.jpg", size, (0, 0, 0, 20, 20)),
        ],
        "val": [made_record("4.jpg", (320, 640), (0, 0, 0, 40, 10), (1, 0, 0, 9, 9, True))],
        "test": [made_record("5.jpg", size, (1, 0, 0, 100, 100))],
    }
    findings = [zero_area(i) for i in range(7)]
    return made_data_set(NAMES, splits, findings, notes=["a note"], warnings=["a warning"])


@pytest.fixture
def summary(data_set):
    objects = Objects.of(data_set.splits, CONFIG.input_shape)
    leaks = [Leak("test", "5.jpg", "train", "1.jpg", 9)]
    return summarize(data_set, objects, CONFIG, leaks)


def test_splits_are_counted(summary):
    train, val, test = summary["splits"]
    # In the input, 12 pixels are 6 and 20 are 10; 40x10 is a square of 20.
    assert train == {"name": "train", "images": 3, "empty": 1, "objects": 4,
                     "small": 2, "medium": 1, "large": 1, "lost": 1}  # fmt: skip
    assert val == {"name": "val", "images": 1, "empty": 0, "objects": 1,
                   "small": 1, "medium": 0, "large": 0, "lost": 0}  # fmt: skip
    assert (test["images"], test["objects"], test["large"]) == (1, 1, 1)
    assert summary["difficult"] == 1


def test_classes_are_counted_the_rarest_first(summary):
    eel, dog, cat = summary["classes"]
    assert [entry["name"] for entry in (eel, dog, cat)] == ["eel", "dog", "cat"]
    assert cat["objects"] == {"train": 3, "val": 1, "test": 0}
    assert (cat["total"], cat["images"], cat["label"]) == (4, 3, 0)
    assert (cat["small"], cat["medium"], cat["large"], cat["lost"]) == (2, 1, 1, 0)
    assert dog["objects"] == {"train": 1, "val": 0, "test": 1}
    assert (dog["total"], dog["images"], dog["lost"]) == (2, 2, 1)
    assert (eel["total"], eel["images"], eel["small"]) == (0, 0, 0)
    assert summary["measured"] == "test"
    assert (cat["margin"], dog["margin"]) == (0.5, pytest.approx(1.96 / 2 / (1 + 1.96**2) ** 0.5))


def test_objects_of_train_count_for_the_anchor_that_they_fit_best(summary):
    own = summary["anchors"]["own"]
    counts = {(a["width"], a["height"]): a["objects"] for a in own["anchors"] if a["objects"]}
    # 6, 10 and 20 pixels have areas of 36, 100 and 400 of 12x16 = 192; 20x20 shares 19x20 with
    # 19x36 (IoU 0.54) and 12x16 with 12x16 (0.48). 50x50 shares 50x50 with 76x55 (0.60).
    assert counts == {(12, 16): 2, (19, 36): 1, (76, 55): 1}
    ious = [36 / 192, 100 / 192, 380 / (400 + 19 * 36 - 380), 2500 / (76 * 55)]
    assert own["fit"] == pytest.approx(np.mean(ious), rel=1e-5)
    assert [anchor["stride"] for anchor in own["anchors"]] == [8] * 3 + [16] * 3 + [32] * 3


def test_too_few_shapes_for_anchors_of_its_own_are_said_to_be(summary):
    assert summary["anchors"]["auto"] is None
    assert "9 anchors need boxes of at least 9 different sizes" in summary["anchors"]["why_not"]


def test_sizes_of_images_are_counted(summary):
    assert summary["image_sizes"] == {
        "distinct": 2,
        "most": [
            {"width": 640, "height": 640, "images": 4},
            {"width": 320, "height": 640, "images": 1},
        ],
    }


def test_what_was_changed_is_reported_with_examples(summary):
    (problem,) = summary["report"]["problems"]
    assert (problem["what"], problem["done"]) == ("zero-area box", "object skipped")
    assert (problem["count"], len(problem["examples"])) == (7, 5)
    assert problem["examples"][0] == "a.xml, object 0: cat [1, 1, 1, 1]"
    assert summary["report"]["notes"] == ["a note"]
    assert summary["report"]["warnings"] == ["a warning"]


def test_leaks_are_named(summary):
    sentence = "1 of 1 images of test is nearly the same as an image of train"
    assert summary["leaks"]["sentences"] == [sentence]
    (pair,) = summary["leaks"]["pairs"]
    assert (pair["image"], pair["other_image"], pair["bits"]) == ("5.jpg", "1.jpg", 9)


def test_the_summary_is_plain_values(summary):
    assert json.loads(json.dumps(summary)) == summary
    assert (summary["input"], summary["names"]) == ("320x320", ["my_data", "more"])


def test_the_terminal_shows_the_main_numbers(summary):
    lines = describe(summary)
    assert [line.split() for line in lines[1:4]] == [
        ["train", "4", "50.0%", "25.0%", "25.0%", "25.0%"],
        ["val", "1", "100.0%", "0.0%", "0.0%", "0.0%"],
        ["test", "1", "0.0%", "0.0%", "100.0%", "0.0%"],
    ]
    assert lines[0].endswith("below 8x8 at 320x320")
    assert len({len(line) for line in lines[:4]}) == 1
    assert "  test: 5.jpg and train: 1.jpg" in lines
    assert lines[-1].startswith("  few objects in test")


def test_data_without_a_train_split_is_summarized():
    record = made_record("1.jpg", (100, 100), (0, 0, 0, 30, 30))
    data_set = made_data_set(("cat",), {"val": [record]})
    summary = summarize(data_set, Objects.of(data_set.splits, (320, 320)), CONFIG, [])
    assert summary["measured"] == "val"
    assert [split["name"] for split in summary["splits"]] == ["val"]
    assert sum(anchor["objects"] for anchor in summary["anchors"]["own"]["anchors"]) == 1


def test_an_image_of_difficult_objects_alone_counts_as_without_objects():
    objects = ((0, 0, 0, 30, 30), (0, 0, 0, 50, 50, True))
    records = [made_record(f"{i}.jpg", (100, 100), row) for i, row in enumerate(objects)]
    data_set = made_data_set(("cat",), {"train": records})
    summary = summarize(data_set, Objects.of(data_set.splits, (320, 320)), CONFIG, [])
    assert (summary["splits"][0]["objects"], summary["splits"][0]["empty"]) == (1, 1)
