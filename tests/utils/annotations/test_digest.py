"""What has changed in the data of a training is named, and what does not matter is no change."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers import ROOT
from utils.annotations import load_dataset
from utils.annotations.digest import DataDigest
from utils.errors import UserError
from utils.records import Record
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.quick

CLASSES = ("apple", "pear")
ANCHORS = "1,2 3,4"


def record(name, content, *objects):
    """An image; each object is its left edge and its class number."""
    boxes = np.array([[left, 0, left + 9, 9] for left, _ in objects], np.float32)
    labels = np.array([label for _, label in objects], np.int32)
    hashed = content.encode().ljust(16)
    flags = np.zeros(len(labels), bool)
    return Record(Path("/data") / name, (99, 99), boxes.reshape(-1, 4), labels, flags, hashed)


TRAIN = [record("train/a.jpg", "A", (1, 0)), record("train/b.jpg", "B", (2, 1), (3, 0))]
TRAIN += [record("train/c.jpg", "C"), record("train/again.jpg", "C", (5, 0))]
VAL = [record("val/d.jpg", "D", (1, 1)), record("val/e.jpg", "E", (7, 0))]


def digest(train=TRAIN, val=VAL, classes=CLASSES, anchors=ANCHORS):
    return DataDigest.of(classes, anchors, {"train": train, "val": val})


def moved(records, folder):
    return [replace(one, image=folder / one.image.relative_to("/data")) for one in records]


def with_objects(one, boxes=None, labels=None, difficult=None):
    return replace(
        one,
        boxes=one.boxes if boxes is None else boxes,
        labels=one.labels if labels is None else labels,
        difficult=one.difficult if difficult is None else difficult,
    )


A, B, C, AGAIN = TRAIN
D, E = VAL
OTHER_BOXES = with_objects(A, boxes=A.boxes + 1)
CHANGES = {
    "an image that moved": (
        {"train": [*TRAIN, D], "val": [E]},
        ["val: image val/d.jpg now in train"],
    ),
    "a training image that moved": (
        {"train": [A, B, C], "val": [*VAL, AGAIN]},
        ["train: image train/again.jpg now in val"],
    ),
    "an image that was replaced": (
        {"train": [A, replace(B, digest=b"other pixels"), C, AGAIN]},
        ["train: image train/b.jpg replaced"],
    ),
    "a copy of a validation image": (
        {"train": [*TRAIN, D]},
        ["train: image val/d.jpg new"],
    ),
    "images that are gone": ({"train": [A, B]}, ["train: 2 images gone, first train/again.jpg"]),
    "an image that is new": (
        {"val": [*VAL, record("val/f.jpg", "F")]},
        ["val: image val/f.jpg new"],
    ),
    "a box that moved": (
        {"train": [OTHER_BOXES, *TRAIN[1:]]},
        ["train: image train/a.jpg with other boxes"],
    ),
    "boxes of several images": (
        {"train": [OTHER_BOXES, with_objects(B, B.boxes - 1), *TRAIN[2:]]},
        ["train: 2 images with other boxes, first train/a.jpg"],
    ),
    "classes that changed places": (
        {"train": [A, with_objects(B, labels=B.labels[::-1]), *TRAIN[2:]]},
        ["train: image train/b.jpg with other boxes"],
    ),
    "a difficult object": (
        {"val": [with_objects(D, difficult=~D.difficult), E]},
        ["val: image val/d.jpg with other boxes"],
    ),
    "another order": (
        {"train": [B, A, C, AGAIN]},
        ["train: 2 images in another order, first train/a.jpg"],
    ),
    "another class list": (
        {"classes": ("apple", "plum")},
        ["classes.txt: class 1 is 'plum', but 'pear' when the run began"],
    ),
    "one more class": (
        {"classes": (*CLASSES, "plum")},
        ["classes.txt: 3 classes, but 2 when the run began"],
    ),
    "other anchors": (
        {"anchors": "1,2 3,5"},
        ["anchors.txt: 1,2 3,5, but 1,2 3,4 when the run began"],
    ),
    "several at once": (
        {"train": [A, C, AGAIN], "val": [D, E, B], "anchors": "9,9"},
        [
            "anchors.txt: 9,9, but 1,2 3,4 when the run began",
            "train: image train/b.jpg now in val",
        ],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_named_once(change):
    values, expected = CHANGES[change]
    if "classes" in values:  # the names of its objects change with it
        values = {**values, "train": [A, C], "val": [E]}
        before = digest(train=[A, C], val=[E])
    else:
        before = digest()
    assert before.differences(digest(**values)) == expected


def test_a_reordered_class_list_of_data_that_names_its_classes_is_all_that_changes():
    """The labels change with it, so that they name the same classes."""
    swapped = [
        [with_objects(one, labels=1 - one.labels) for one in records] for records in (TRAIN, VAL)
    ]
    found = digest().differences(digest(*swapped, classes=CLASSES[::-1]))
    assert found == ["classes.txt: class 0 is 'pear', but 'apple' when the run began"]


def test_the_folder_and_the_names_are_no_change(tmp_path):
    now = digest(moved(TRAIN, tmp_path), moved(VAL, tmp_path))
    assert digest().differences(now) == []
    renamed = [replace(one, image=one.image.with_stem(f"x{i}")) for i, one in enumerate(TRAIN)]
    assert digest().differences(digest(renamed)) == []


@given(
    contents=st.lists(st.sampled_from("ABCDEF"), min_size=1, max_size=8),
    others=st.lists(st.sampled_from("ABCDEF"), min_size=1, max_size=8),
)
def test_only_equal_data_has_no_differences(contents, others):
    one, other = (
        digest([record(f"{i}.jpg", content) for i, content in enumerate(letters)])
        for letters in (contents, others)
    )
    assert (one.differences(other) == []) == (contents == others)


def test_it_comes_back_from_its_file(tmp_path):
    path = tmp_path / "data.json"
    names = [record("é\udcff.jpg", "A", (1, 0)), *TRAIN]
    digest(names).save(path)
    assert DataDigest.load(path) == digest(names)
    assert str(ROOT) not in path.read_text()


DAMAGED = ["", "{}", "[]", '{"classes": [], "anchors": "", "splits": 5}']
DAMAGED += [
    '{"classes": [{}], "anchors": "", "splits": {}}',
    '{"classes": [], "anchors": 5, "splits": {}}',
]
IMAGE = '{"name": "a", "content": ["b"], "objects": "c"}'
DAMAGED += [f'{{"classes": [], "anchors": "", "splits": {{"train": [{IMAGE}]}}}}']


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_one_line(tmp_path, content):
    path = tmp_path / "data.json"
    path.write_text(content)
    with pytest.raises(UserError, match=rf"^{path}[:,] ") as caught:
        DataDigest.load(path)
    assert "\n" not in str(caught.value)


def test_data_sets_are_compared_by_what_was_read(tmp_path):
    """A second scan takes the hashes from its cache; a moved data set is read anew."""
    data = make_sample_data(tmp_path / "data", train=4, val=2, test=2, size=96)

    def scan(folder):
        found = load_dataset(folder, progress=False)
        splits = {split: found.splits[split] for split in ("train", "val")}
        assert all(one.digest for records in splits.values() for one in records)
        return DataDigest.of(found.class_names, ANCHORS, splits)

    before = scan(data)
    assert before.differences(scan(data)) == []
    elsewhere = shutil.move(data, tmp_path / "elsewhere")
    assert before.differences(scan(elsewhere)) == []
    image = elsewhere / "JPEGImages" / "train_00001.jpg"
    shutil.copy(elsewhere / "JPEGImages" / "test_00001.jpg", image)
    (elsewhere / "ImageSets" / "Main" / "test.txt").write_text("test_00000\n")
    assert json.dumps(before.differences(scan(elsewhere))).count("replaced") == 1
