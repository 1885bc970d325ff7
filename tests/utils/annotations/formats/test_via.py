"""VIA: projects, exports as JSON of versions 1 and 2, and exports as CSV."""

import csv
import io
import json
import math
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
from utils.annotations.formats.via import class_attribute
from utils.errors import UserError

pytestmark = pytest.mark.quick

CAT = {"type": "cat"}
SHAPE, ATTRIBUTES = "region_shape_attributes", "region_attributes"
COLUMNS = [
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    SHAPE,
    ATTRIBUTES,
]


def region(attributes: object = CAT, **shape: object) -> dict:
    return {"shape_attributes": shape, "region_attributes": attributes}


def rect(x: object = 10, y: object = 5, width: object = 20, height: object = 15, attributes=CAT):
    return region(attributes, name="rect", x=x, y=y, width=width, height=height)


def items(images: dict[str, object]) -> dict:
    return {
        f"{name}123": {"filename": name, "size": 123, "regions": regions, "file_attributes": {}}
        for name, regions in images.items()
    }


def write_json(path: Path, images: dict[str, object], project: bool = False) -> Path:
    content = items(images)
    if project:
        content = {
            "_via_settings": {"core": {"default_filepath": "./x/"}},
            "_via_img_metadata": content,
            "_via_attributes": {"region": {}, "file": {}},
            "_via_image_id_list": list(content),
        }
    return write_text(path, json.dumps(content))


def write_csv(path: Path, images: dict[str, list], columns=COLUMNS) -> Path:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for name, regions in images.items():
        for number, one in enumerate(regions or [region({})]):
            values = [one["shape_attributes"] if regions else {}, one["region_attributes"]]
            texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
            writer.writerow([name, 123, "{}", len(regions), number, *texts])
    return write_text(path, file.getvalue())


WRITERS = {
    "project": lambda path, images: write_json(path.with_suffix(".json"), images, project=True),
    "export": lambda path, images: write_json(path.with_suffix(".json"), images),
    "csv": lambda path, images: write_csv(path.with_suffix(".csv"), images),
}
EVERY_KIND = pytest.mark.parametrize("kind", WRITERS)


@EVERY_KIND
def test_a_file_in_each_split(tmp_path, kind):
    for split in ("train", "val"):
        for name in (f"{split}.jpg", "empty.jpg"):
            write_image(tmp_path / split / name)
        regions = [rect(), rect(0, 0, 60, 40, {"type": "dog"})]
        WRITERS[kind](tmp_path / split / "via", {f"{split}.jpg": regions, "empty.jpg": []})
    data = load(tmp_path)
    assert data.format == ("VIA CSV" if kind == "csv" else "VIA JSON")
    assert stems(data) == {"train": ["train", "empty"], "val": ["val", "empty"]}
    assert data.class_names == ("cat", "dog")
    for full, empty in data.splits.values():
        np.testing.assert_array_equal(full.boxes, [[10, 5, 30, 20], [0, 0, 60, 40]])
        np.testing.assert_array_equal(full.labels, [0, 1])
        assert empty.boxes.shape == (0, 4)
    assert problem_counts(data) == {}
    assert "the classes are the region attribute 'type'" in data.report.text


def test_regions_of_version_1(tmp_path):
    write_image(tmp_path / "a.jpg")
    data = load(write_json(tmp_path / "via.json", {"a.jpg": {"0": rect(), "1": rect(1, 2, 3, 4)}}))
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 5, 30, 20], [1, 2, 4, 6]])
    csv_file = write_csv(
        tmp_path / "via.csv", {"a.jpg": [rect()]}, [f"#{COLUMNS[0]}", *COLUMNS[1:]]
    )
    np.testing.assert_array_equal(all_records(load(csv_file))["a"].boxes, [[10, 5, 30, 20]])


@EVERY_KIND
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ({"name": "circle", "cx": 20, "cy": 15, "r": 5.5}, [14.5, 9.5, 25.5, 20.5]),
        ({"name": "ellipse", "cx": 30, "cy": 20, "rx": 20, "ry": 10}, [10, 10, 50, 30]),
        (
            {"name": "ellipse", "cx": 30, "cy": 20, "rx": 20, "ry": 10, "theta": math.pi / 2},
            [20, 0, 40, 40],
        ),
        (
            {"name": "polygon", "all_points_x": [5, 30, 12], "all_points_y": [20, 3, 39]},
            [5, 3, 30, 39],
        ),
        ({"name": "polyline", "all_points_x": [1, 5], "all_points_y": [2, 9]}, [1, 2, 5, 9]),
    ],
)
def test_the_box_around_a_shape(tmp_path, kind, shape, expected):
    write_image(tmp_path / "a.jpg")
    data = load(WRITERS[kind](tmp_path / "via", {"a.jpg": [region(**shape)]}))
    np.testing.assert_allclose(all_records(data)["a"].boxes, [expected], atol=1e-5)
    assert problem_counts(data) == {}


@EVERY_KIND
@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        (rect(attributes={}), "type is None; expected the name of a class"),
        (rect(attributes={"type": ""}), "type is None; expected the name of a class"),
        (rect(attributes=["cat"]), "type is None; expected the name of a class"),
        (rect(attributes={"type": {"cat": True, "dog": True}}), "type is ['cat', 'dog']; expected"),
        (rect("left"), "cat: x is 'left'; expected a number"),
        (region(name="rect", x=1, y=2, width=3), "cat: height is None; expected a number"),
        (region(name="point", cx=1, cy=2), "cat: shape 'point' has no box; expected rect, circle"),
        (region(cx=1, cy=2), "cat: shape None has no box"),
        (region(), "cat: shape None has no box"),
        (region(name="polygon", all_points_x=[1, 2]), "cat: no lists all_points_x"),
        (
            region(name="polygon", all_points_x=[1, 2], all_points_y=[3]),
            "cat: 2 x and 1 y; expected as many of both",
        ),
    ],
)
def test_an_unreadable_region_is_reported(tmp_path, kind, bad, detail):
    write_image(tmp_path / "a.jpg")
    path = WRITERS[kind](tmp_path / "via", {"gone.jpg": [rect()], "a.jpg": [rect(), bad]})
    data = load(path)
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1, Problem.BAD_OBJECT: 1}
    assert len(all_records(data)["a"].boxes) == 1
    place = "line 4" if kind == "csv" else "image 2, object 2"
    assert f"{path.name}, {place}: {detail}" in data.report.text
    assert "no file 'gone.jpg'" in data.report.text


def test_what_is_no_region_is_reported(tmp_path):
    write_image(tmp_path / "a.jpg")
    content = items({"a.jpg": [rect(), 3]}) | {"x": 4}
    data = load(write_text(tmp_path / "via.json", json.dumps(content)))
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1, Problem.MISSING_IMAGE: 1}
    assert "image 1, object 2: 3; expected shape_attributes" in data.report.text
    assert "image 2: no file 'x'" in data.report.text


def test_a_line_with_broken_json_is_reported(tmp_path):
    write_image(tmp_path / "a.jpg")
    broken = {"shape_attributes": '{"name":"rect"', "region_attributes": "{}"}
    data = load(write_csv(tmp_path / "via.csv", {"a.jpg": [broken, rect()]}))
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1}
    assert "via.csv, line 2: " in data.report.text
    assert len(all_records(data)["a"].boxes) == 1


@pytest.mark.parametrize(
    ("attributes", "chosen"),
    [
        ([{"type": "cat", "zebra": "1"}], "type"),
        ([{"quality": "good", "Class_Name": "cat"}], "Class_Name"),
        ([{"name": "x", "label": "cat"}], "label"),
        # A usual name that few regions have is not the class.
        ([{"fruit": "apple"}, {"fruit": "pear"}, {"fruit": "plum", "name": "x"}], "fruit"),
        ([{"b": "1"}, {"a": "1"}], "a"),
        ([{"b": "1"}, {"a": "1"}, {"b": "2"}], "b"),
        ([{"name": "", "kind": "cat"}], "kind"),
        ([{"kind": {"cat": True}, "size": {"big": False}}], "kind"),
        ([{}, {"a": None}, 3], None),
        ([], None),
    ],
)
def test_the_attribute_that_holds_the_class(attributes, chosen):
    assert class_attribute({"region_attributes": each} for each in attributes)[0] == chosen


def test_a_line_with_too_many_fields_is_reported(tmp_path):
    write_image(tmp_path / "a.jpg")
    path = write_csv(tmp_path / "via.csv", {"a.jpg": [rect()]})
    path.write_text(path.read_text() + "a.jpg,123,{},1,0,{},{},and more\n")
    data = load(path)
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1}
    assert "via.csv, line 3: " in data.report.text


def test_other_attributes_are_named(tmp_path):
    write_image(tmp_path / "a.jpg")
    attributes = {"type": {"cat": True, "dog": False}, "color": "red", "age": 3}
    data = load(write_json(tmp_path / "via.json", {"a.jpg": [rect(attributes=attributes)]}))
    assert data.class_names == ("cat",)
    note = "the classes are the region attribute 'type'; not used: age, color"
    assert note in data.report.text


def test_the_attribute_is_chosen_over_all_files(tmp_path):
    for split, kind in (("train", "fruit"), ("val", "other")):
        write_image(tmp_path / split / f"{split}.jpg")
        regions = [rect(attributes={"fruit": "apple"}), rect(1, 1, 5, 5, {kind: "pear"})]
        write_json(tmp_path / split / "via.json", {f"{split}.jpg": regions})
    data = load(tmp_path)
    assert data.class_names == ("apple", "pear")
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1}


def test_regions_without_any_attribute_are_of_one_class(tmp_path):
    write_image(tmp_path / "a.jpg")
    data = load(write_json(tmp_path / "via.json", {"a.jpg": [rect(attributes={})]}))
    assert data.class_names == ("object",)
    assert "all are of one class, 'object'" in data.report.text


def test_two_exports_of_the_same_images_are_refused(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_json(tmp_path / "project.json", {"a.jpg": [rect()]}, project=True)
    write_json(tmp_path / "export.json", {"a.jpg": [rect()]})
    with pytest.raises(
        UserError, match=r"export\.json and .*project\.json both annotate .*a\.jpg; expected one"
    ):
        load(tmp_path)


def test_a_broken_file_is_reported_beside_another(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_json(tmp_path / "one.json", {"a.jpg": [rect()]})
    write_text(tmp_path / "two.json", '{"a": {"filename": "b.jpg",\n"regions": [}}')
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 1}
    assert "two.json, line 2: bad JSON" in data.report.text


@pytest.mark.parametrize(
    "text", ['{"filename": "a.jpg", "regions": []}', '{"_via_img_metadata": {}}', "[]", "{}"]
)
def test_json_of_something_else_is_refused(tmp_path, text):
    with pytest.raises(UserError, match=r"expected .*, a VIA \.json, a VIA \.csv"):
        load(write_text(tmp_path / "a.json", text))


@EVERY_KIND
@settings(max_examples=25, deadline=None)
@given(boxes=BOXES)
def test_round_trip(tmp_path_factory, kind, boxes):
    folder = tmp_path_factory.mktemp("made")
    write_image(folder / "a.png", SIZE)
    regions = [rect(x1, y1, x2 - x1, y2 - y1, {"label": name}) for name, x1, y1, x2, y2 in boxes]
    assert_boxes(load(WRITERS[kind](folder / "train", {"a.png": regions})), boxes)
