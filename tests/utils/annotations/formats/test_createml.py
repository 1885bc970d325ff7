"""CreateML JSON: boxes by their centers."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from tests.helpers.annotation_files import (
    all_records,
    load,
    problem_counts,
    stems,
    write_image,
    write_text,
)
from tests.helpers.made_annotations import BOXES, SIZE, assert_boxes
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


def image(name: str, *objects: object) -> dict:
    return {"image": name, "annotations": list(objects)}


def box(label: object, x: object, y: object, width: object, height: object) -> dict:
    return {"label": label, "coordinates": {"x": x, "y": y, "width": width, "height": height}}


CAT = box("cat", 20, 15, 20, 10)  # 10, 10, 30, 20


def write(path: Path, *images: object) -> Path:
    return write_text(path, json.dumps(images))


def test_a_file_in_each_split(tmp_path):
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / f"{split}.jpg")
        dog = box("dog", 5.5, 6, 1, 2)
        write(tmp_path / split / "_annotations.createml.json", image(f"{split}.jpg", CAT, dog))
    data = load(tmp_path)
    assert data.format == "CreateML JSON"
    assert stems(data) == {"train": ["train"], "val": ["valid"], "test": ["test"]}
    assert data.class_names == ("cat", "dog")
    for records in data.splits.values():
        np.testing.assert_array_equal(records[0].boxes, [[10, 10, 30, 20], [5, 5, 6, 7]])
        np.testing.assert_array_equal(records[0].labels, [0, 1])
    assert problem_counts(data) == {}


def test_the_older_keys_and_images_without_objects(tmp_path):
    for stem in "ab":
        write_image(tmp_path / "pictures" / f"{stem}.png")
    old = {"imagefilename": "a.png", "annotation": [CAT]}
    path = write(tmp_path / "anything.json", old, image("b.png"))
    for data in (load(tmp_path), load(path)):
        records = all_records(data)
        np.testing.assert_array_equal(records["a"].boxes, [[10, 10, 30, 20]])
        assert records["b"].boxes.shape == (0, 4)
        assert problem_counts(data) == {}


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (box("", 1, 1, 1, 1), "label is ''; expected the name of a class"),
        (box(None, 1, 1, 1, 1), "label is None; expected the name of a class"),
        (box(["cat"], 1, 1, 1, 1), "label is ['cat']; expected the name of a class"),
        (box("cat", "left", 1, 1, 1), "cat: x is 'left'; expected a number"),
        (box("cat", 1, 1, 1, None), "cat: height is None; expected a number"),
        (box("cat", 1, True, 1, 1), "cat: y is True; expected a number"),
        (box("cat", 1, 1, 10**400, 1), "cat: width is 1000"),
        ({"label": "cat"}, "cat: coordinates are None; expected x, y, width, height"),
        ({"label": "cat", "coordinates": [1, 2, 3, 4]}, "cat: coordinates are [1, 2, 3, 4]"),
        ("cat", "'cat'; expected a label and coordinates"),
    ],
)
def test_an_unreadable_object_is_reported(tmp_path, bad, detail):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "train.json", image("gone.jpg"), image("a.jpg", CAT, bad)))
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1, Problem.BAD_OBJECT: 1}
    assert len(all_records(data)["a"].boxes) == 1
    assert f"train.json, image 2, object 2: {detail}" in data.report.text


def test_what_the_check_of_boxes_finds(tmp_path):
    write_image(tmp_path / "a.jpg")
    odd = [box("cat", float("nan"), 1, 1, 1), box("cat", 20, 15, -20, 10), box("cat", 5, 5, 0, 1)]
    data = load(write(tmp_path / "train.json", image("a.jpg", *odd)))
    assert problem_counts(data) == {
        Problem.NOT_FINITE: 1,
        Problem.INVERTED: 1,
        Problem.ZERO_AREA: 1,
    }
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 10, 30, 20]])


@pytest.mark.parametrize(
    "odd", [3, {"image": "b.jpg"}, {"annotations": []}, {"image": 3, "annotations": []}]
)
def test_an_unreadable_image_is_reported(tmp_path, odd):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "train.json", image("a.jpg", CAT), odd))
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 1}
    assert "train.json, image 2: " in data.report.text


def test_a_missing_image_is_named_with_what_is_lost(tmp_path):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "train.json", image("a.jpg", CAT), image("gone.jpg", CAT, CAT)))
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}
    assert "image 2: no file 'gone.jpg' below" in data.report.text
    assert "objects lost with it: 2" in data.report.text


def test_broken_and_other_files_of_a_folder_are_reported(tmp_path):
    write_image(tmp_path / "train" / "a.jpg")
    write_image(tmp_path / "train" / "b.jpg")
    write(tmp_path / "train" / "all.json", image("a.jpg", CAT))
    write_text(tmp_path / "broken.json", '[{"image": "b.jpg",\n "annotations": [}')
    write_text(tmp_path / "settings.json", "{}")
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 1, Problem.MISSING_ANNOTATION: 1}
    text = data.report.text
    assert "broken.json, line 2: bad JSON" in text
    assert "b.jpg: no annotation file lists it" in text
    assert "1 .json not used (other content): " in text


def test_a_broken_file_that_is_named_is_an_error(tmp_path):
    path = write_text(tmp_path / "mine.json", '[{"image": "b.jpg",\n "annotations": [}')
    with pytest.raises(UserError, match=r"mine\.json, line 2: bad JSON"):
        load(path)


def test_a_list_of_something_else_is_refused(tmp_path):
    path = write(tmp_path / "mine.json", {"image": "a.jpg"}, 3)
    with pytest.raises(UserError, match=r"expected .*, a CreateML \.json, "):
        load(path)


@settings(max_examples=25, deadline=None)
@given(boxes=BOXES)
def test_round_trip(tmp_path_factory, boxes):
    folder = tmp_path_factory.mktemp("made")
    write_image(folder / "a.png", SIZE)
    objects = [
        box(name, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1) for name, x1, y1, x2, y2 in boxes
    ]
    assert_boxes(load(write(folder / "train.json", image("a.png", *objects))), boxes)
