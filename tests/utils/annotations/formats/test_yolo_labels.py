"""YOLO text files: their lines, boxes, polygons and key points."""

import numpy as np
import pytest

from tests.helpers.annotation_files import (
    all_records,
    load,
    problem_counts,
    write_image,
    write_text,
)
from tests.utils.annotations.formats.yolo_files import BOX, HAND, write_pair
from utils.annotations import Problem
from utils.annotations.formats.yolo.labels import read_labels
from utils.errors import UserError

pytestmark = pytest.mark.quick


def test_missing_and_empty_text_files_are_background(tmp_path):
    for name in "abc":
        write_pair(tmp_path / f"images/{name}.png", tmp_path / f"labels/{name}.txt")
    write_text(tmp_path / "labels" / "b.txt", "")
    (tmp_path / "labels" / "c.txt").unlink()
    data = load(tmp_path, on_bad_data="error")
    counts = {stem: len(record.labels) for stem, record in all_records(data).items()}
    assert counts == {"a": 1, "b": 0, "c": 0}
    assert "images without a text file, used as background: 1" in data.report.text


def test_a_text_file_without_an_image_is_reported(tmp_path):
    for name in "ab":
        write_pair(tmp_path / f"images/{name}.png", tmp_path / f"labels/{name}.txt")
    write_text(tmp_path / "labels" / "gone.txt", BOX)
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}
    assert "gone.txt: no image gone.* belongs to this text file" in data.report.text


def test_other_images_are_not_background(tmp_path):
    for name in "abc":
        write_pair(tmp_path / f"images/train/{name}.jpg", tmp_path / f"labels/train/{name}.txt")
    write_image(tmp_path / "images" / "negatives" / "d.jpg")
    write_image(tmp_path / "docs" / "logo.png")
    data = load(tmp_path)
    assert set(all_records(data)) == set("abcd")
    assert "1 .png not used (not part of the data set): " in data.report.text


def test_lines(tmp_path):
    lines = ["0 .5 .5 .2 .2", "", "1 0.1 0.2 0.9 0.2 0.5 0.8", "1.0 0.5 0.5 1 1"]
    annotation = read_labels(write_text(tmp_path / "a.txt", "\n".join(lines)), ("x", "y"))
    assert [(o.category, o.where) for o in annotation.objects] == [
        ("x", "line 1"),
        ("y", "line 3"),
        ("y", "line 4"),
    ]
    np.testing.assert_allclose(
        [item.corners for item in annotation.objects],
        [[0.4, 0.4, 0.6, 0.6], [0.1, 0.2, 0.9, 0.8], [0, 0, 1, 1]],
    )
    assert annotation.findings == []


@pytest.mark.parametrize(
    "line",
    [
        "0 .5 .5 .2",
        "0 .5 .5 .2 .2 .9",
        "cat .5 .5 .2 .2",
        "0.5 .5 .5 .2 .2",
        "-1 0 0 1 1",
        "nan .5 .5 .2 .2",
        "inf .5 .5 .2 .2",
        "0,.5,.5,.2,.2",
    ],
)
def test_bad_lines(tmp_path, line):
    annotation = read_labels(write_text(tmp_path / "a.txt", f"{BOX}{line}\n"), ("x", "y"))
    assert len(annotation.objects) == 1
    assert [(f.problem, f.where) for f in annotation.findings] == [(Problem.BAD_OBJECT, "line 2")]


def test_problems_of_boxes(tmp_path):
    text = f"{BOX}7 .5 .5 .2 .2\n0 .5 .5 0 .2\n0 1.5 .5 .2 .2\n0 nan .5 .2 .2\n0 .95 .5 .2 .2\n"
    for name in "ab":
        write_pair(tmp_path / f"images/{name}.png", tmp_path / f"labels/{name}.txt", BOX)
    write_text(tmp_path / "labels" / "a.txt", text)
    write_text(tmp_path / "classes.txt", "x\ny\n")
    data = load(tmp_path)
    assert problem_counts(data) == {
        Problem.UNKNOWN_CLASS: 1,
        Problem.ZERO_AREA: 1,
        Problem.OUTSIDE: 1,
        Problem.NOT_FINITE: 1,
        Problem.PARTLY_OUTSIDE: 1,
    }
    np.testing.assert_allclose(all_records(data)["a"].boxes, [*HAND, [51, 16, 60, 24]], atol=1e-4)
    assert "a.txt, line 2: class 7; there are 2 classes" in data.report.text


def test_fractions_are_of_the_image_as_displayed(tmp_path):
    write_image(tmp_path / "images/a.jpg", (60, 40), orientation=6)
    write_text(tmp_path / "labels/a.txt", BOX)
    write_pair(tmp_path / "images/b.jpg", tmp_path / "labels/b.txt")
    record = all_records(load(tmp_path))["a"]
    assert record.size == (40, 60)
    np.testing.assert_allclose(record.boxes, [[10, 22.5, 30, 37.5]])


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("images/train/cam1/images", "labels/train/cam1/images"),
        ("images/train/cam1/images", "images/train/cam1/labels"),
        ("images/train/cam1/images", "images/train/cam1/images"),
        ("Images/train", "Labels/train"),
        ("IMAGES", "labels"),
        ("JPEGImages", "labels"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".TXT"])
@pytest.mark.parametrize("yaml", [False, True])
def test_text_files_are_found(tmp_path, images, labels, suffix, yaml):
    for name in "abc":
        write_pair(tmp_path / images / f"{name}.jpg", tmp_path / labels / f"{name}{suffix}")
    write_text(tmp_path / labels / f"gone{suffix}", BOX)
    if yaml:
        write_text(tmp_path / "data.yaml", f"train: {images}\nnames: [x, y]")
    data = load(tmp_path)
    for record in all_records(data).values():
        np.testing.assert_allclose(record.boxes, HAND)
    assert len(all_records(data)) == 3
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}


def test_the_message_says_where_a_text_file_was_looked_for(tmp_path):
    write_image(tmp_path / "images" / "train" / "a.jpg")
    write_text(tmp_path / "data.yaml", "train: images/train\nnames: [x, y]")
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert "no usable object" in message
    assert "images without a text file, used as background: 1" in message
    for place in ("labels/train/a.txt", "images/train/a.txt"):
        assert str(tmp_path / place) in message


@pytest.mark.parametrize(
    ("shape", "points"),
    [("[4, 2]", ".05 .05 .95 .05 .95 .95 .05 .95"), ("[2, 3]", ".1 .1 2 .9 .9 1"), ("[4, 2]", "")],
)
def test_key_points_are_no_polygon(tmp_path, shape, points):
    write_pair(tmp_path / "images/a.jpg", tmp_path / "labels/a.txt", f"{BOX.strip()} {points}\n")
    write_text(tmp_path / "data.yaml", f"train: images\nkpt_shape: {shape}\nnames: [x, y]")
    data = load(tmp_path)
    np.testing.assert_allclose(all_records(data)["a"].boxes, HAND)
    assert problem_counts(data) == {}


def test_wrong_key_points_are_reported(tmp_path):
    write_pair(tmp_path / "images/a.jpg", tmp_path / "labels/a.txt", f"{BOX}1 .5 .5 .2 .2 .1 .1\n")
    yaml = write_text(tmp_path / "data.yaml", "train: images\nkpt_shape: [4, 2]\nnames: [x, y]")
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.BAD_OBJECT: 1}
    assert "a.txt, line 2: '1 .5 .5 .2 .2 .1 .1'; expected " in data.report.text
    assert "8 of key points" in data.report.text
    for shape in ("4", "[4]", "[4, 5]", "[x, 2]"):
        yaml.write_text(f"train: images\nkpt_shape: {shape}\nnames: [x, y]")
        with pytest.raises(UserError, match=r"data\.yaml: kpt_shape is .*; expected the number"):
            load(tmp_path)
