"""CVAT for images 1.1."""

import math
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest
from hypothesis import given, settings

from tests.helpers.annotation_files import (
    all_records,
    load,
    problem_counts,
    stems,
    voc_xml,
    write_image,
    write_text,
)
from tests.helpers.made_annotations import BOXES, SIZE, assert_boxes
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick

BOX = '<box label="cat" occluded="0" xtl="10.00" ytl="5.50" xbr="30.00" ybr="20.00" z_order="0"/>'


def element(name: str, body: str = BOX, extra: str = "") -> str:
    return f'<image id="0" name="{name}" width="60" height="40" {extra}>\n{body}\n</image>'


def write(path: Path, *images: str, meta: str = "") -> Path:
    text = f"<annotations><version>1.1</version><meta>{meta}</meta>\n" + "\n".join(images)
    return write_text(path, '<?xml version="1.0" encoding="utf-8"?>\n' + text + "</annotations>")


def task(name: str, subset: str = "", number: str = "1", labels: str = "") -> str:
    return (
        f"<task><id>{number}</id><name>{name}</name><subset>{subset}</subset>"
        f"<labels>{labels}</labels></task>"
    )


def label(name: str, kind: str = "any", parent: str = "") -> str:
    inside = f"<parent>{parent}</parent>" if parent else ""
    return f"<label><name>{name}</name><type>{kind}</type>{inside}</label>"


def test_an_export_with_images(tmp_path):
    for stem in "ab":
        write_image(tmp_path / "images" / f"{stem}.jpg")
    labels = label("zebra") + label("cat") + label("night", "tag") + label("nose", parent="cat")
    path = write(
        tmp_path / "annotations.xml",
        element("a.jpg"),
        element("b.jpg", '<tag label="night" source="manual"></tag>'),
        meta=task("my task", labels=labels),
    )
    for data in (load(tmp_path), load(path)):
        assert data.format == "CVAT for images"
        assert data.class_names == ("zebra", "cat")  # in the order of the labels
        records = all_records(data)
        np.testing.assert_array_equal(records["a"].boxes, [[10, 5.5, 30, 20]])
        np.testing.assert_array_equal(records["a"].labels, [1])
        assert records["b"].boxes.shape == (0, 4)
        assert problem_counts(data) == {}
        assert "tags of whole images" in data.report.text
        assert "not used: 1" in data.report.text


@pytest.mark.parametrize("folder", ["annotations", "Annotations", "labels", "images", "."])
def test_the_file_may_be_in_any_folder(tmp_path, folder):
    write_image(tmp_path / "images" / "a.jpg")
    path = write(tmp_path / folder / "annotations.xml", element("a.jpg"))
    for data in (load(tmp_path), load(path)) if folder != "images" else (load(tmp_path),):
        np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 5.5, 30, 20]])
        assert problem_counts(data) == {}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        # A square of 20 that is turned by 45 degrees is as wide as its diagonal.
        (
            '<box label="cat" xtl="20" ytl="10" xbr="40" ybr="30" rotation="45.0"/>',
            [30 - 200**0.5, 20 - 200**0.5, 30 + 200**0.5, 20 + 200**0.5],
        ),
        ('<box label="cat" xtl="10" ytl="15" xbr="50" ybr="25" rotation="90"/>', [25, 0, 35, 40]),
        ('<box label="cat" xtl="10" ytl="15" xbr="50" ybr="25" rotation="0"/>', [10, 15, 50, 25]),
        ('<polygon label="cat" points="10.5,20;30,5;20.25,39.5"/>', [10.5, 5, 30, 39.5]),
        ('<polyline label="cat" points="1,2;3,4;2,9"/>', [1, 2, 3, 9]),
        ('<ellipse label="cat" cx="30" cy="20" rx="20" ry="10"/>', [10, 10, 50, 30]),
        ('<ellipse label="cat" cx="30" cy="20" rx="20" ry="10" rotation="90"/>', [20, 0, 40, 40]),
        (
            '<ellipse label="cat" cx="30" cy="20" rx="4" ry="3" rotation="45"/>',
            [30 - 12.5**0.5, 20 - 12.5**0.5, 30 + 12.5**0.5, 20 + 12.5**0.5],
        ),
        ('<mask label="cat" rle="2, 4" left="5" top="6" width="3" height="2"/>', [5, 6, 8, 8]),
        (
            '<cuboid label="cat" xtl1="10" ytl1="8" xbl1="11" ybl1="30" xtr1="20" ytr1="9"'
            ' xbr1="21" ybr1="31" xtl2="40" ytl2="5" xbl2="41" ybl2="29" xtr2="30" ytr2="4"'
            ' xbr2="31" ybr2="28"/>',
            [10, 4, 41, 31],
        ),
    ],
)
def test_the_box_around_a_shape(tmp_path, shape, expected):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "train.xml", element("a.jpg", shape)))
    np.testing.assert_allclose(all_records(data)["a"].boxes, [expected], atol=1e-5)
    assert problem_counts(data) == {}


@pytest.mark.parametrize(
    ("shape", "detail"),
    [
        (BOX.replace("cat", ""), "label is ''; expected the name of a class"),
        (BOX.replace("label", "class"), "label is None; expected the name of a class"),
        (BOX.replace("10.00", "ten"), "cat: xtl is 'ten'; expected a number"),
        (BOX.replace("ybr", "y"), "cat: ybr is None; expected a number"),
        (BOX.replace("occluded", "rotation").replace('"0"', '"inf"'), "cat: the rotation is inf"),
        ('<polygon label="cat" points="1,2"/>', "cat: number of points 1; expected at least 2"),
        ('<polygon label="cat" points="1,2;3"/>', "cat: a point of 'points' is not 'x,y'"),
        ('<polygon label="cat" points="1,2;3,x"/>', "cat: y is 'x'; expected a number"),
        ('<polygon label="cat"/>', "cat: number of points 0; expected at least 2"),
        (
            '<points label="cat" points="1,2;3,4"/>',
            "<points> cat has no box; expected box, polygon",
        ),
        ('<skeleton label="cat"/>', "<skeleton> cat has no box; expected box, polygon"),
    ],
)
def test_an_unreadable_shape_is_reported(tmp_path, shape, detail):
    write_image(tmp_path / "a.jpg")
    path = write(tmp_path / "train.xml", element("gone.jpg"), element("a.jpg", BOX + shape))
    data = load(path)
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1, Problem.BAD_OBJECT: 1}
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 5.5, 30, 20]])
    assert f"train.xml, image 2, object 2: {detail}" in data.report.text
    assert "image 1: no file 'gone.jpg'" in data.report.text


def test_subsets_of_a_project_are_splits(tmp_path):
    for split in ("Train", "Validation", "default"):
        write_image(tmp_path / "images" / split / "0.jpg")
    images = [
        element("0.jpg", extra=f'subset="{split}" task_id="{number}"')
        for number, split in enumerate(("Train", "Validation", "default"))
    ]
    data = load(write(tmp_path / "annotations.xml", *images).parent)
    folders = {
        split: sorted(record.image.parent.name for record in records)
        for split, records in data.splits.items()
    }
    assert folders == {"train": ["Train", "default"], "val": ["Validation"]}
    assert "images without a split, added to train: 1" in data.report.text


@pytest.mark.parametrize(("name", "subset"), [("any", "Test"), ("my test images", "")])
def test_a_task_names_the_split(tmp_path, name, subset):
    for stem in "ab":
        write_image(tmp_path / f"{stem}.jpg")
    tasks = task("drive 1", "Train", "7") + task(name, subset, "8")
    images = [element("a.jpg", extra='task_id="7"'), element("b.jpg", extra='task_id="8"')]
    data = load(write(tmp_path / "x.xml", *images, meta=f"<project>{tasks}</project>"))
    assert stems(data)["test"] == ["b"]
    data = load(write(tmp_path / "x.xml", element("a.jpg"), meta=task(name, subset)))
    assert stems(data) == {"test": ["a"]}


def test_an_export_for_video_is_refused(tmp_path):
    write_image(tmp_path / "a.jpg")
    path = tmp_path / "annotations.xml"
    write(path, '<track id="0" label="cat"><box frame="0" xtl="1"/></track>')
    with pytest.raises(UserError, match="'CVAT for video'; expected an export as 'CVAT for images"):
        load(tmp_path)
    write(path, element("a.jpg"), '<track id="0" label="cat"/>')
    assert problem_counts(load(tmp_path)) == {Problem.BAD_OBJECT: 1}


def test_broken_xml_is_reported_beside_another_file_and_refused_alone(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg")
    write(tmp_path / "train.xml", element("a.jpg"))
    path = write_text(tmp_path / "val.xml", "<annotations>\n<image>\n</annotations>")
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 1, Problem.MISSING_ANNOTATION: 1}
    assert "val.xml, line 3: bad XML, mismatched tag" in data.report.text
    with pytest.raises(UserError, match=r"val\.xml, line 3: bad XML"):
        load(path)


def test_entities_are_refused(tmp_path):
    path = write(tmp_path / "annotations.xml", element("a.jpg"))
    declared = '<!DOCTYPE a [<!ENTITY e "cat">]><annotations>'
    path.write_text(path.read_text().replace("<annotations>", declared))
    with pytest.raises(UserError, match=r"annotations\.xml.*entities"):
        load(path)


def test_voc_files_are_read_as_voc(tmp_path):
    write_image(tmp_path / "a.jpg")
    write_text(tmp_path / "a.xml", voc_xml([("cat", 1, 2, 3, 4)]))
    assert "VOC" in load(tmp_path).format


def test_the_stated_size_is_compared(tmp_path):
    write_image(tmp_path / "a.jpg", (60, 40), orientation=6)
    data = load(write(tmp_path / "train.xml", element("a.jpg")))
    # The file states the size as stored, so the box is rotated: x is 40 - y.
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[20, 10, 34.5, 30]])
    assert math.isclose(all_records(data)["a"].size[0], 40)


@settings(max_examples=25, deadline=None)
@given(boxes=BOXES)
def test_round_trip(tmp_path_factory, boxes):
    folder = tmp_path_factory.mktemp("made")
    write_image(folder / "a.png", SIZE)
    shapes = [
        f'<box label={quoteattr(name)} xtl="{x1}" ytl="{y1}" xbr="{x2}" ybr="{y2}"/>'
        for name, x1, y1, x2, y2 in boxes
    ]
    assert_boxes(load(write(folder / "train.xml", element("a.png", "".join(shapes)))), boxes)
