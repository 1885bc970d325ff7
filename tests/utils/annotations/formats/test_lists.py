"""List files: `path x1,y1,x2,y2,class ...`."""

import numpy as np
import pytest

from tests.helpers.annotation_files import (
    all_records,
    load,
    problem_counts,
    stems,
    write_image,
    write_text,
)
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them in a folder whose name looks like an image's."""
    for name in ("a.jpg", "my photo #1 ü.JPG", "odd.jpg folder/b.png"):
        write_image(tmp_path / "pictures" / name)
    return tmp_path


LINES = [
    "pictures/a.jpg 1,2,30,20,0 5,6,7.5,8,2",
    "pictures/my photo #1 ü.JPG 10,5,60,40,1",
    "pictures/odd.jpg folder/b.png",
]


def test_lines(folder):
    data = load(write_text(folder / "train.txt", "\n\n".join(LINES) + "\n"))
    records = all_records(data)
    assert set(records) == {"a", "my photo #1 ü", "b"}
    np.testing.assert_array_equal(records["a"].boxes, [[1, 2, 30, 20], [5, 6, 7.5, 8]])
    assert records["a"].labels.tolist() == [0, 2]
    assert records["b"].boxes.shape == (0, 4)
    assert data.class_names == ("0", "1", "2")
    assert problem_counts(data) == {}
    assert "list files" in data.format


def test_splits_by_name_and_classes_beside(folder):
    for split, line in zip(("train", "val", "test"), LINES, strict=True):
        write_text(folder / f"2007_{split}.txt", line)
    write_text(folder / "voc_classes.txt", "x\ny\nz\n")
    for data in (load(folder), load(*folder.glob("2007_*.txt"))):
        assert stems(data) == {"train": ["a"], "val": ["my photo #1 ü"], "test": ["b"]}
        assert data.class_names == ("x", "y", "z")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_encodings(folder, encoding):
    data = load(write_text(folder / "train.txt", "\n".join(LINES), encoding))
    assert len(all_records(data)) == 3
    assert problem_counts(data) == {}


def test_absolute_windows_and_current_folder_paths(folder, monkeypatch):
    lines = [f"{folder}/pictures/a.jpg 1,2,3,4,0", "pictures\\odd.jpg folder\\b.png 1,2,3,4,0"]
    path = write_text(folder / "lists" / "train.txt", lines[0])
    write_text(path, "\n".join(lines))
    monkeypatch.chdir(folder)
    assert set(all_records(load(path))) == {"a", "b"}


def test_problems_name_the_line(folder):
    lines = [
        *LINES,
        "pictures/gone.jpg 1,2,3,4,0",
        f"{'x' * 5000}.jpg 1,2,3,4,0",
        "no image here",
        "pictures/a.jpg 1,2,3,4",
        "pictures/a.jpg 1,2,x,4,0 1,2,3,4,0.5 1,2,3,4,nan 1,2,3,4,inf 8,8,9,9,-1",
        "pictures/a.jpg 1,2,3,nan,0 8,8,9,9,1",
    ]
    data = load(write_text(folder / "train.txt", "\n".join(lines)))
    assert problem_counts(data) == {
        Problem.MISSING_IMAGE: 2,
        Problem.BAD_ANNOTATION: 1,
        Problem.BAD_OBJECT: 6,
        Problem.NOT_FINITE: 1,
        Problem.LISTED_TWICE: 3,
    }
    assert "train.txt, line 4: pictures/gone.jpg: no such file" in data.report.text
    assert "train.txt, line 7, object 1: '1,2,3,4'; expected x1,y1,x2,y2,class" in data.report.text
    joined = all_records(data)["a"]
    np.testing.assert_array_equal(joined.boxes, [[1, 2, 30, 20], [5, 6, 7.5, 8], [8, 8, 9, 9]])


def test_class_beyond_the_names(folder):
    path = write_text(folder / "train.txt", "\n".join(LINES))
    assert problem_counts(load(path, class_names=["x", "y"])) == {Problem.UNKNOWN_CLASS: 1}
    write_text(folder / "classes.txt", "x\ny\n")
    data = load(path)
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 1}
    assert "line 1, object 2: class 2; there are 2 classes" in data.report.text


def test_a_class_number_that_must_be_a_mistake(folder):
    path = write_text(
        folder / "train.txt", LINES[0] + "\npictures/odd.jpg folder/b.png 1,2,3,4,5e9"
    )
    with pytest.raises(UserError, match="class number 5000000000"):
        load(path)


def test_two_class_files_are_refused(folder):
    path = write_text(folder / "train.txt", "\n".join(LINES))
    for name in ("a", "b"):
        write_text(folder / f"{name}_classes.txt", "x\n")
    with pytest.raises(UserError, match=r"a_classes\.txt and b_classes\.txt; expected one"):
        load(path)


def test_a_text_file_of_something_else(tmp_path):
    with pytest.raises(
        UserError,
        match=r"notes\.txt: no data set of a known format: found 1 TXT file \(notes\.txt: 'hello'\)"
        r"; expected .* a COCO \.json, ",
    ):
        load(write_text(tmp_path / "notes.txt", "hello\n"))


def test_any_number_of_background_images_may_come_first(tmp_path):
    for number in range(121):
        write_image(tmp_path / f"{number}.png")
    lines = [f"{number}.png" for number in range(120)] + ["120.png 1,2,30,20,0"]
    data = load(write_text(tmp_path / "train.txt", "\n".join(lines)))
    assert "x1,y1,x2,y2" in data.format
    np.testing.assert_array_equal(all_records(data)["120"].boxes, [[1, 2, 30, 20]])


def test_a_list_and_its_classes_in_each_folder(tmp_path):
    """As Roboflow exports "YOLO Keras TXT"; each list has the classes beside it."""
    for folder, names in (("train", "cat\ndog\n"), ("valid", "dog\ncat\n"), ("test", "")):
        write_image(tmp_path / folder / f"{folder}.jpg")
        write_text(tmp_path / folder / "_annotations.txt", f"{folder}.jpg 1,2,30,20,1 5,5,9,9,0")
        if names:
            write_text(tmp_path / folder / "_classes.txt", names)
    data = load(tmp_path)
    assert stems(data) == {"train": ["train"], "val": ["valid"], "test": ["test"]}
    assert data.class_names == ("cat", "dog")
    labels = {split: records[0].labels.tolist() for split, records in data.splits.items()}
    assert labels == {"train": [1, 0], "val": [0, 1], "test": [1, 0]}
    assert problem_counts(data) == {}
