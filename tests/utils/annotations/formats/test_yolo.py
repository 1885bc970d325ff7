"""YOLO data sets: `data.yaml`, lists of images, folders and class files."""

from pathlib import Path

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
from tests.utils.annotations.formats.yolo_files import BOX, HAND, write_pair
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("pattern", ["images/{}/{}.jpg", "{}/images/{}.jpg"])
def test_data_yaml(tmp_path, pattern):
    for split in ("train", "val", "test"):
        image = tmp_path / pattern.format(split, f"{split} #1")
        label = Path(str(image).replace("/images", "/labels")).with_suffix(".txt")
        write_pair(image, label)
    places = [pattern.format(split, "")[:-5] for split in ("train", "val", "test")]
    text = "train: {}\nval: {}\ntest: {}\nnc: 2\nnames: [dog, ant]\n".format(*places)
    path = write_text(tmp_path / "data.yaml", text)
    for data in (load(tmp_path), load(path)):
        assert data.class_names == ("dog", "ant")  # as written, not sorted
        assert stems(data) == {"train": ["train #1"], "val": ["val #1"], "test": ["test #1"]}
        np.testing.assert_allclose(data.splits["train"][0].boxes, HAND)
        assert data.splits["train"][0].labels.tolist() == [1]
        assert problem_counts(data) == {}
        assert "data.yaml" in data.format


def test_data_yaml_as_ultralytics_and_roboflow_write_it(tmp_path):
    for split in ("train", "valid"):
        name = f"{split}/images/{split}.jpg"
        write_pair(tmp_path / name, tmp_path / f"{split}/labels/{split}.txt")
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: {0: a, 1: b}"
    write_text(tmp_path / "data.yaml", text)
    data = load(tmp_path)
    assert stems(data) == {"train": ["train"], "val": ["valid"]}
    assert "test/images, which do not exist" in data.report.text
    text = f"path: {tmp_path}\ntrain: [train/images]\nval: valid\nnames:\n  0: a\n  1: b\n"
    path = write_text(tmp_path / "elsewhere" / "mine.yml", text)
    assert stems(load(path)) == {"train": ["train"], "val": ["valid"]}


def test_data_yaml_with_lists_of_images(tmp_path):
    for name in "ab":
        write_pair(tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.txt")
    write_text(tmp_path / "train.txt", "./images/a.jpg\n\n./images/gone.jpg\n")
    write_text(tmp_path / "val.txt", f"{tmp_path}/images/b.jpg\n")
    path = write_text(tmp_path / "d.yaml", "train: train.txt\nval: val.txt\nnames: [x, y]")
    data = load(path)
    assert stems(data) == {"train": ["a"], "val": ["b"]}
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}
    assert "train.txt, line 3: ./images/gone.jpg: no such file" in data.report.text
    path.unlink()
    write_text(tmp_path / "obj.names", "x\ny\n")
    for data in (load(tmp_path), load(tmp_path / "train.txt", tmp_path / "val.txt")):
        assert stems(data) == {"train": ["a"], "val": ["b"]}
        assert data.class_names == ("x", "y")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images\nnames: [a]\nnc: 2", "nc is '2'; expected 1"),
        ("train: images\nnames: 7", "'names' is .*; expected a list"),
        ("train: images\nnames: {1: a}", "'names' is .*; expected a list"),
        ("train: nowhere\nnames: [a]", "train: nowhere: no such folder"),
        ("train: images\nnames: [a, '']", "the name of class 1 is empty"),
        ("train: images\nnames: [' ', a]", "the name of class 0 is empty"),
        ("train: " + 5000 * "x" + "\nnames: [a]", "no such folder"),
        ("train: images\nnames: [a, a]", "'a' occurs twice"),
        ("train: [images", "bad YAML"),
        ("train: images", "'names'"),
    ],
)
def test_bad_yaml(tmp_path, text, message):
    write_image(tmp_path / "images" / "a.jpg")
    with pytest.raises(UserError, match=message) as caught:
        load(write_text(tmp_path / "data.yaml", text))
    assert "data.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["classes.txt", "labels/classes.txt", "labels/train/classes.txt"])
def test_folders_without_yaml(tmp_path, place):
    for split in ("train", "val"):
        label = tmp_path / f"labels/{split}/{split}.txt"
        write_pair(tmp_path / f"images/{split}/{split}.JPG", label)
    write_text(tmp_path / place, "dog\nant\n")
    data = load(tmp_path)
    assert stems(data) == {"train": ["train"], "val": ["val"]}
    assert data.class_names == ("dog", "ant")
    assert problem_counts(data) == {}


def test_side_by_side(tmp_path):
    for name in "abc":
        write_pair(tmp_path / f"{name}.png", tmp_path / f"{name}.txt")
    write_text(tmp_path / "classes.txt", "dog\nant\n")
    write_text(tmp_path / "README.txt", "read me")
    data = load(tmp_path)
    assert set(all_records(data)) == set("abc")
    assert problem_counts(data) == {}


def test_without_names_the_classes_are_numbers(tmp_path):
    for name in "abc":
        write_pair(tmp_path / f"images/{name}.png", tmp_path / f"labels/{name}.txt")
    assert load(tmp_path).class_names == ("0", "1")
    data = load(tmp_path, class_names=["x", "y", "z"])
    assert all_records(data)["a"].labels.tolist() == [1]
    with pytest.raises(UserError, match=r"no usable object .*: 1 is not among the classes x"):
        load(tmp_path, class_names=["x"])


def test_text_files_of_images_in_no_list_are_not_reported(tmp_path):
    for name in "abc":
        write_pair(tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.txt")
    write_text(tmp_path / "train.txt", "images/a.jpg\n")
    write_text(tmp_path / "val.txt", "images/b.jpg\n")
    data = load(tmp_path)
    assert stems(data) == {"train": ["a"], "val": ["b"]}
    assert problem_counts(data) == {}


def test_data_yaml_comes_before_xml_left_beside_the_images(tmp_path):
    for name in "ab":
        write_pair(tmp_path / f"train/{name}.jpg", tmp_path / f"train/{name}.txt")
        write_text(tmp_path / f"train/{name}.xml", "<annotation/>")
    write_text(tmp_path / "data.yaml", "train: train\nnames: [x, y]")
    assert load(tmp_path).class_names == ("x", "y")


@pytest.fixture
def listed(tmp_path):
    """Three images with text files, and a list for train whose first image is missing."""
    for name in "abc":
        write_pair(tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.txt")
    write_text(tmp_path / "train.txt", "\r\nimages/gone.jpg\r\nimages/a.jpg\r\n")
    write_text(tmp_path / "val.txt", "images/b.jpg\r\n")
    return tmp_path


def test_a_list_whose_first_image_is_missing_is_still_a_list(listed):
    for data in (load(listed), load(listed / "train.txt", listed / "val.txt")):
        assert stems(data) == {"train": ["a"], "val": ["b"]}
        assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}


def test_lists_of_images_that_are_elsewhere(listed):
    """As exports write them for another folder, or with one damaged line."""
    write_text(listed / "train.txt", "other/a.jpg\n")
    write_text(listed / "val.txt", "x" * 5000 + ".jpg")
    data = load(listed)
    assert set(all_records(data)) == set("abc")
    for name in ("train", "val"):
        assert listed / f"{name}.txt" in data.report.unused
    assert "2 .txt not used (it lists no image that exists): " in data.report.text
    with pytest.raises(UserError, match=r"train\.txt, line 1: other/a\.jpg: no such file"):
        load(listed / "train.txt")


@pytest.mark.parametrize("start", ["data/images/", "images\\", "C:\\me\\data\\images\\"])
def test_lists_that_were_written_for_another_folder_or_system(listed, start):
    write_text(listed / "train.txt", f"{start}a.jpg\n{start}c.jpg\n")
    write_text(listed / "val.txt", f"{start}b.jpg\n")
    data = load(listed)
    assert stems(data) == {"train": ["a", "c"], "val": ["b"]}
    assert problem_counts(data) == {}


def test_hidden_folders_are_ignored_and_links_followed(tmp_path):
    for name in ("train/a", "train/.Trash/b", ".c/c"):
        write_pair(tmp_path / f"images/{name}.jpg", tmp_path / f"labels/{name}.txt")
    (tmp_path / "images" / "train").rename(tmp_path / "stored")
    (tmp_path / "images" / "train").symlink_to(tmp_path / "stored")
    (tmp_path / "stored" / "loop").symlink_to(tmp_path / "images")
    write_text(tmp_path / "data.yaml", "train: images/train\nnames: [x, y]")
    assert list(all_records(load(tmp_path / "data.yaml"))) == ["a"]
    (tmp_path / "data.yaml").unlink()
    assert list(all_records(load(tmp_path))) == ["a"]


def test_the_number_of_classes_may_be_quoted(tmp_path):
    write_pair(tmp_path / "images/a.jpg", tmp_path / "labels/a.txt")
    write_text(tmp_path / "data.yaml", "train: images\nnc: '2'\nnames: [x, traffic  light]")
    assert load(tmp_path).class_names == ("x", "traffic light")


def test_each_folder_is_read_by_its_own_class_file(tmp_path):
    """With one list for both, the objects of the second folder would change their class."""
    for folder, names in (("a", "apple\npear\nplum\n"), ("b", "plum\napple\n")):
        write_text(tmp_path / folder / "classes.txt", names)
        for number in range(2):
            pair = (tmp_path / folder / f"{folder}{number}{suffix}" for suffix in (".png", ".txt"))
            write_pair(*pair, text=BOX if folder == "b" else BOX.replace("1", "0", 1))
    data = load(tmp_path)
    assert data.class_names == ("apple", "pear", "plum")
    assert {record.labels.tolist()[0] for record in all_records(data).values()} == {0}
    write_text(tmp_path / "classes.txt", "pear\n")
    with pytest.raises(UserError, match=r"classes\.txt and .*classes\.txt list different classes"):
        load(tmp_path)


def test_a_folder_without_a_class_file_beside_differing_ones_is_refused(tmp_path):
    for folder, names in (("a", "x\ny\n"), ("b", "y\nx\n"), ("c", "")):
        write_pair(tmp_path / folder / f"{folder}.png", tmp_path / folder / f"{folder}.txt")
        if names:
            write_text(tmp_path / folder / "classes.txt", names)
    with pytest.raises(UserError, match=r"may number the objects in .*/c; expected one list"):
        load(tmp_path)
    write_text(tmp_path / "b" / "classes.txt", "x\ny\n")  # equal lists hold for all
    assert load(tmp_path).class_names == ("x", "y")


@pytest.mark.parametrize("key", ["val", "valid", "validate", "validation", "dev", "eval"])
def test_keys_of_a_data_yaml_that_name_a_split(tmp_path, key):
    for name in ("train", "other"):
        write_pair(tmp_path / f"images/{name}/{name}.jpg", tmp_path / f"labels/{name}/{name}.txt")
    text = f"train: images/train\n{key}: images/other\ntest:\nnames: [x, y]"
    write_text(tmp_path / "data.yaml", text)
    assert stems(load(tmp_path)) == {"train": ["train"], "val": ["other"]}


def test_folders_of_splits_by_other_names(tmp_path):
    for folder in ("train", "validate", "testset", "crash_test"):
        write_pair(
            tmp_path / folder / f"images/{folder}.jpg", tmp_path / folder / f"labels/{folder}.txt"
        )
    data = load(tmp_path)
    assert stems(data) == {
        "train": ["train", "crash_test"],
        "val": ["validate"],
        "test": ["testset"],
    }
    assert "images without a split, added to train: 1" in data.report.text


def test_of_two_data_yaml_files_the_second_is_listed_as_not_used(tmp_path):
    write_pair(tmp_path / "images/a.jpg", tmp_path / "labels/a.txt")
    for name in ("a.yaml", "b.yaml"):
        write_text(tmp_path / name, "train: images\nnames: [x, y]")
    report = load(tmp_path).report
    assert report.unused == {tmp_path / "b.yaml": "a.yaml was used"}
    assert f"read from {tmp_path / 'a.yaml'}" in report.notes
    write_text(tmp_path / "a.yaml", "train: images\nnames: [x")
    with pytest.raises(UserError, match=r"a\.yaml, line 2: bad YAML"):
        load(tmp_path)
