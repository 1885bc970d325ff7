"""LabelMe JSON: one file per image."""

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
from utils.annotations.formats.labelme import read_labelme
from utils.errors import UserError

pytestmark = pytest.mark.quick


def shape(label: object, points: object, kind: object = "rectangle", **more: object) -> dict:
    return {"label": label, "points": points, "shape_type": kind, "flags": {}, **more}


CAT = shape("cat", [[30, 5], [10, 20.5]])  # drawn from the right to the left


def write(path: Path, *shapes: object, image_path: object = None, size=SIZE, data=None) -> Path:
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": shapes,
        "imagePath": f"{path.stem}.jpg" if image_path is None else image_path,
        "imageData": data,
        "imageHeight": size[1],
        "imageWidth": size[0],
    }
    return write_text(path, json.dumps(content))


def test_files_beside_their_images(tmp_path):
    for split in ("train", "val"):
        write_image(tmp_path / split / f"{split}.jpg")
        write(tmp_path / split / f"{split}.json", CAT, data="iVBORw0KGgo=")
    data = load(tmp_path)
    assert data.format == "LabelMe JSON"
    assert stems(data) == {"train": ["train"], "val": ["val"]}
    for record in all_records(data).values():
        np.testing.assert_array_equal(record.boxes, [[10, 5, 30, 20.5]])
    assert problem_counts(data) == {}
    assert stems(load(tmp_path / "val" / "val.json")) == {"train": ["val"]}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (CAT, [10, 5, 30, 20.5]),
        (shape("cat", [[1, 2], [9, 2], [9, 7], [1, 7]]), [1, 2, 9, 7]),
        (shape("cat", [[5, 20], [30, 3], [12, 39]], "polygon"), [5, 3, 30, 39]),
        ({"label": "cat", "points": [[5, 20], [30, 3], [12, 39]]}, [5, 3, 30, 39]),
        (shape("cat", [[20, 20], [23, 24]], "circle"), [15, 15, 25, 25]),
        (shape("cat", [[1, 2], [5, 9]], "line"), [1, 2, 5, 9]),
        (shape("cat", [[1, 2], [5, 9], [3, 1]], "linestrip"), [1, 1, 5, 9]),
        (shape("cat", [[4, 5], [7, 9]], "mask", mask="iVBORw0KGgo="), [4, 5, 8, 10]),
        (shape("cat", [[20, 0], [40, 20], [20, 40], [0, 20]], "rotation"), [0, 0, 40, 40]),
    ],
)
def test_the_box_around_a_shape(tmp_path, one, expected):
    assert [o.corners for o in read_labelme(write(tmp_path / "a.json", one)).objects] == [
        tuple(expected)
    ]


def test_parts_of_a_group_are_one_object(tmp_path):
    parts = [
        shape("cat", [[1, 1], [5, 5]], group_id=3),
        shape("cat", [[20, 2], [30, 4]], "polygon", group_id=3),
        shape("cat", [[40, 2], [50, 4]], group_id=4),
        shape("dog", [[1, 1], [5, 5]], group_id=3),
        shape("dog", [[6, 6], [7, 7]]),
        shape("dog", [[8, 8], [9, 9]], group_id=None),
    ]
    objects = read_labelme(write(tmp_path / "a.json", *parts)).objects
    assert [(one.category, one.corners) for one in objects] == [
        ("cat", (1, 1, 30, 5)),
        ("cat", (40, 2, 50, 4)),
        ("dog", (1, 1, 5, 5)),
        ("dog", (6, 6, 7, 7)),
        ("dog", (8, 8, 9, 9)),
    ]


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (shape("", [[1, 2], [3, 4]]), "label is ''; expected the name of a class"),
        (shape(None, [[1, 2], [3, 4]]), "label is None; expected the name of a class"),
        (shape("cat", [[1, 2]], "point"), "cat: shape_type 'point' has no box; expected rectangle"),
        (shape("cat", [[1, 2]], ["x"]), "cat: shape_type ['x'] has no box; expected rectangle"),
        (shape("cat", [[1, 2]]), "cat: number of points 1; expected at least 2"),
        (shape("cat", []), "cat: number of points 0; expected at least 2"),
        (shape("cat", None), "cat: points are None; expected a list"),
        (shape("cat", [[1, 2], [3]]), "cat: point [3]; expected x and y"),
        (shape("cat", [[1, 2], 3]), "cat: point 3; expected x and y"),
        (shape("cat", [[1, 2], ["left", 3]]), "cat: x is 'left'; expected a number"),
        (shape("cat", [[1, 2], [3, 4], [5, 6]], "circle"), "cat: number of points 3; expected 2"),
        (shape("cat", [[1, 2], [3, None]], "circle"), "cat: y is None; expected a number"),
        ("cat", "'cat'; expected a shape"),
    ],
)
def test_an_unreadable_shape_is_reported(tmp_path, bad, detail):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "a.json", CAT, bad))
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1}
    assert len(all_records(data)["a"].boxes) == 1
    assert f"a.json, object 2: {detail}" in data.report.text


def test_a_point_that_is_no_number_is_not_lost_among_the_others(tmp_path):
    write_image(tmp_path / "a.jpg")
    polygon = shape("cat", [[1, 1], [float("nan"), 5], [9, 9]], "polygon")
    data = load(write(tmp_path / "a.json", CAT, polygon))
    assert problem_counts(data) == {Problem.NOT_FINITE: 1}


@pytest.mark.parametrize("image_path", ["../images/a.jpg", "..\\images\\a.jpg", "C:\\x\\a.jpg"])
def test_images_in_another_folder(tmp_path, image_path):
    for split in ("train", "val"):
        write_image(tmp_path / split / "images" / "a.jpg")
        write(tmp_path / split / "json" / "a.json", CAT, image_path=image_path)
    data = load(tmp_path)
    assert problem_counts(data) == {}
    for split, records in data.splits.items():
        assert [record.image.parent.parent.name for record in records] == [split]
    assert data.splits.keys() == {"train", "val"}


def test_an_image_that_was_converted_is_found_by_the_stem(tmp_path):
    write_image(tmp_path / "images" / "a.png")
    write(tmp_path / "json" / "a.json", CAT, image_path="a.jpg")
    assert all_records(load(tmp_path))["a"].image.name == "a.png"


def test_image_path_decides_between_images_of_one_stem(tmp_path):
    for name in ("a.jpg", "a.png"):
        write_image(tmp_path / name)
    write(tmp_path / "a.json", CAT, image_path="a.png")
    data = load(tmp_path)
    assert all_records(data)["a"].image.name == "a.png"
    assert problem_counts(data) == {Problem.MISSING_ANNOTATION: 1}


@pytest.mark.parametrize("image_path", ["gone.jpg", "", 3, ["a.jpg"], "a\0.jpg"])
def test_a_missing_image_is_reported(tmp_path, image_path):
    for stem in "ab":
        write_image(tmp_path / f"{stem}.jpg")
    write(tmp_path / "a.json", CAT)
    write(tmp_path / "gone.json", CAT, CAT, image_path=image_path, data="iVBORw0KGgo=")
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1, Problem.MISSING_ANNOTATION: 1}
    text = data.report.text
    assert f"gone.json: no file {image_path!r} below" in text
    assert "objects lost with it: 2; its copy in imageData is not used" in text
    assert "b.jpg: no annotation file lists it" in text


def test_broken_and_other_files_of_a_folder_are_reported(tmp_path):
    for stem in "abc":
        write_image(tmp_path / f"{stem}.jpg")
    write(tmp_path / "a.json", CAT)
    write_text(tmp_path / "b.json", '{"shapes": [],\n "imagePath": }')
    write_text(tmp_path / "c.json", '{"camera": "x"}')
    write_text(tmp_path / "d.json", '{"shapes": [],\n "imagePath": }')
    write_text(tmp_path / "settings.json", "{}")
    data = load(tmp_path)
    assert list(all_records(data)) == ["a"]
    # Images whose own file is unreadable are not said to have none.
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 3}
    text = data.report.text
    assert "b.json, line 2: bad JSON" in text
    assert "c.json: not LabelMe; expected a list 'shapes' and 'imagePath'" in text
    assert "d.json, line 2: bad JSON" in text
    assert "1 .json not used (other content): " in text


def test_objects_may_be_difficult(tmp_path):
    path = write(tmp_path / "a.json", {**CAT, "difficult": True}, CAT)
    assert [one.difficult for one in read_labelme(path).objects] == [True, False]


def test_the_stated_size_is_compared(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg")
    write(tmp_path / "a.json", CAT, size=(600, 400))
    write(tmp_path / "b.json", CAT, size=(None, "40"))
    assert problem_counts(load(tmp_path)) == {Problem.SIZE_DIFFERS: 1}


@pytest.mark.parametrize("text", ['{"shapes": 3, "imagePath": "a.jpg"}', '{"shapes": []}', "[]"])
def test_json_of_something_else_is_refused(tmp_path, text):
    with pytest.raises(UserError, match=r"no data set of a known format.*; expected .*LabelMe"):
        load(write_text(tmp_path / "a.json", text).parent)


@settings(max_examples=25, deadline=None)
@given(boxes=BOXES)
def test_round_trip(tmp_path_factory, boxes):
    folder = tmp_path_factory.mktemp("made")
    write_image(folder / "a.jpg", SIZE)
    shapes = [shape(name, [[x1, y2], [x2, y1]]) for name, x1, y1, x2, y2 in boxes]
    write(folder / "a.json", *shapes)
    assert_boxes(load(folder), boxes)
