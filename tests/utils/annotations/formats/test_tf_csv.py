"""CSV of the TensorFlow Object Detection API, and its relatives."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

HEADER = "filename,width,height,class,xmin,ymin,xmax,ymax"


def write(path: Path, *lines: str, header: str = HEADER) -> Path:
    return write_text(path, "\n".join([header, *lines]) + "\n")


def cat(name: str = "a.jpg") -> str:
    return f"{name},60,40,cat,10,5.5,30,20"


def test_a_file_in_each_split(tmp_path):
    for split in ("train", "valid", "test"):
        write_image(tmp_path / split / f"{split}.jpg")
        lines = [cat(f"{split}.jpg"), f"{split}.jpg,60,40,dog,0,0,60,40"]
        write(tmp_path / split / "_annotations.csv", *lines)
    data = load(tmp_path)
    assert data.format == "TensorFlow CSV"
    assert stems(data) == {"train": ["train"], "val": ["valid"], "test": ["test"]}
    assert data.class_names == ("cat", "dog")
    for records in data.splits.values():
        np.testing.assert_array_equal(records[0].boxes, [[10, 5.5, 30, 20], [0, 0, 60, 40]])
        np.testing.assert_array_equal(records[0].labels, [0, 1])
    assert problem_counts(data) == {}


def test_a_file_per_split_beside_the_images(tmp_path):
    for split in ("train", "test"):
        write_image(tmp_path / "images" / split / "0.jpg")
        write(tmp_path / "data" / f"{split}_labels.csv", cat("0.jpg"))
    for data in (load(tmp_path), load(*tmp_path.glob("data/*.csv"))):
        assert problem_counts(data) == {}
        assert data.splits.keys() == {"train", "test"}
        for split, records in data.splits.items():
            assert [record.image.parent.name for record in records] == [split]


def test_a_file_of_all_images_is_not_used_beside_those_of_splits(tmp_path):
    for stem in "ab":
        write_image(tmp_path / "images" / f"{stem}.jpg")
    write(tmp_path / "data" / "all_labels.csv", cat("a.jpg"), cat("b.jpg"))
    write(tmp_path / "data" / "train_labels.csv", cat("a.jpg"))
    write(tmp_path / "data" / "test_labels.csv", cat("b.jpg"))
    data = load(tmp_path)
    assert stems(data) == {"train": ["a"], "test": ["b"]}
    assert problem_counts(data) == {}
    assert "1 .csv not used (files of single splits annotate the same images)" in data.report.text


@pytest.mark.parametrize(
    "header",
    [
        "xmax,CLASS,ymin,FileName,xmin,ymax",
        "x_max; Label ;y-min;image_path;x_min;Y Max",
        "X2\tclass_name\ty1\timage\tx1\ty2",
        '"right","category","top","ImageID","left","bottom"',
        "\ufeffxmax,name,ymin,Image Name,xmin,ymax",
    ],
)
def test_columns_are_found_by_name(tmp_path, header):
    write_image(tmp_path / "a.jpg")
    delimiter = next(mark for mark in ";\t," if mark in header)
    line = delimiter.join(["30", "cat", "5.5", "a.jpg", "10", "20"])
    data = load(write(tmp_path / "train.csv", line, header=header))
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 5.5, 30, 20]])
    assert data.class_names == ("cat",)
    assert problem_counts(data) == {}


def test_open_images(tmp_path):
    write_image(tmp_path / "train" / "0a1b.jpg")
    path = write(
        tmp_path / "train-annotations-bbox.csv",
        "0a1b,xclick,/m/01g317,1,0.25,0.5,0.125,0.75,0,0,1,0,0",
        "0a1b,xclick,/m/05s2s,1,0,1,0,1,0,0,0,0,0",
        header="ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
        "IsGroupOf,IsDepiction,IsInside",
    )
    data = load(path)
    record = data.splits["train"][0]
    np.testing.assert_array_equal(record.boxes, [[15, 5, 30, 30], [0, 0, 60, 40]])
    assert data.class_names == ("/m/01g317", "/m/05s2s")
    assert record.difficult.tolist() == [True, False]
    assert "train-annotations-bbox.csv are fractions of the images" in data.report.text


def test_one_line_in_pixels_among_fractions_and_the_reverse(tmp_path):
    write_image(tmp_path / "a.jpg")
    fractions = ["a.jpg,60,40,cat,0.25,0.5,0.5,0.75", "a.jpg,60,40,cat,0,0,1,1.01"]
    data = load(write(tmp_path / "train.csv", *fractions, cat()))
    assert problem_counts(data) == {Problem.OUTSIDE: 1}
    np.testing.assert_allclose(all_records(data)["a"].boxes, [[15, 20, 30, 30], [0, 0, 60, 40]])
    data = load(write(tmp_path / "train.csv", cat(), "a.jpg,60,40,cat,0,0,60,40", fractions[0]))
    np.testing.assert_allclose(all_records(data)["a"].boxes[0], [10, 5.5, 30, 20])


def test_a_line_with_a_name_alone_is_background(tmp_path):
    for stem in "abc":
        write_image(tmp_path / f"{stem}.jpg")
    data = load(write(tmp_path / "train.csv", "b.jpg", cat(), "c.jpg,60,40,,,,,"))
    assert {stem: len(r.boxes) for stem, r in all_records(data).items()} == {"a": 1, "b": 0, "c": 0}
    assert problem_counts(data) == {}


@pytest.mark.parametrize(
    ("bad", "detail"),
    [
        ("a.jpg,60,40,,1,2,3,4", "class is ''; expected the name of a class"),
        ("a.jpg,60,40,cat,left,2,3,4", "cat: xmin is 'left'; expected a number"),
        ("a.jpg,60,40,cat,1,2,3,", "cat: ymax is ''; expected a number"),
        ("a.jpg,60,40,cat,1,2", "cat: xmax is ''; expected a number"),
        (",60,40,cat,1,2,3,4", "no file name"),
        ("a.jpg,60,40,traffic, light,1,2,3,4", "'a.jpg,60,40,traffic, light,1,2,3,4' has 9 fields"),
        (HEADER, "no file 'filename' below"),
        ('"a.jpg,60,40,cat,1,2,3,4', "no file 'a.jpg,60,40,cat,1,2,3,4' below"),
        (f"a.jpg,60,40,{'x' * 200_000},1,2,3,4", "has 0 fields; the header has 8"),
    ],
)
def test_an_unreadable_line_is_reported_and_spoils_no_other(tmp_path, bad, detail):
    write_image(tmp_path / "a.jpg")
    data = load(write(tmp_path / "train.csv", "", bad, cat()))
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[10, 5.5, 30, 20]])
    assert sum(problem_counts(data).values()) == 1
    (finding,) = data.report.findings
    assert finding.where == "line 3"
    assert detail in finding.detail


def test_a_missing_image_is_named_with_what_is_lost(tmp_path):
    for stem in "ab":
        write_image(tmp_path / f"{stem}.jpg")
    write(tmp_path / "train.csv", cat(), cat("gone.jpg"), cat("gone.jpg"))
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1, Problem.MISSING_ANNOTATION: 1}
    assert "train.csv, line 3: no file 'gone.jpg' below" in data.report.text
    assert "objects lost with it: 2" in data.report.text
    assert "b.jpg: no annotation file lists it" in data.report.text


def test_what_the_check_of_boxes_finds(tmp_path):
    write_image(tmp_path / "a.jpg")
    lines = ["a.jpg,60,40,cat,nan,2,3,4", "a.jpg,60,40,cat,30,20,10,5", "a.jpg,60,40,cat,9,9,9,20"]
    data = load(write(tmp_path / "train.csv", *lines))
    assert problem_counts(data) == {
        Problem.NOT_FINITE: 1,
        Problem.INVERTED: 1,
        Problem.ZERO_AREA: 1,
    }


def test_the_stated_size_is_compared(tmp_path):
    write_image(tmp_path / "a.jpg", (50, 40))
    assert problem_counts(load(write(tmp_path / "train.csv", cat()))) == {Problem.SIZE_DIFFERS: 1}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    write_image(tmp_path / "a.jpg")
    text = end.join([HEADER, "a.jpg,60,40,红细胞,10,5,30,20"])
    assert load(write_text(tmp_path / "train.csv", text, encoding)).class_names == ("红细胞",)


@pytest.mark.parametrize("header", ["", "a,b", "filename,xmin,ymin,xmax,ymax,score"])
def test_a_table_of_something_else_is_refused(tmp_path, header):
    path = write(tmp_path / "mine.csv", "a.jpg,1,2,3,4,5", header=header)
    with pytest.raises(
        UserError, match=r"a \.csv with columns filename, class, xmin, ymin, xmax, ymax"
    ):
        load(path)
    write_image(tmp_path / "a.jpg")
    write(tmp_path / "train.csv", cat())
    assert load(tmp_path).report.unused == {path: "other content"}


@settings(max_examples=25, deadline=None)
@given(boxes=BOXES, fractions=st.booleans())
def test_round_trip(tmp_path_factory, boxes, fractions):
    folder = tmp_path_factory.mktemp("made")
    write_image(folder / "a.png", SIZE)
    width, height = SIZE if fractions else (1, 1)
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(HEADER.split(","))
    for name, x1, y1, x2, y2 in boxes:
        corners = [x1 / width, y1 / height, x2 / width, y2 / height]
        writer.writerow(["a.png", *SIZE, name, *corners])
    assert_boxes(load(write_text(folder / "train.csv", file.getvalue())), boxes)
