"""Pascal VOC: the lists in `ImageSets` and the splits that they name."""

import numpy as np
import pytest

from tests.helpers.annotation_files import (
    CAT,
    DOG,
    all_records,
    load,
    problem_counts,
    stems,
    voc_xml,
    write_image,
    write_text,
    write_voc,
)
from utils.annotations import Problem

pytestmark = pytest.mark.quick


THREE = {"a": [CAT], "b": [DOG, CAT], "c": []}


def test_splits_boxes_and_sorted_classes(tmp_path):
    data = load(write_voc(tmp_path, THREE, {"train": ["b"], "val": ["a"], "test": ["c"]}))
    assert data.class_names == ("cat", "dog")
    assert stems(data) == {"train": ["b"], "val": ["a"], "test": ["c"]}
    record = data.splits["train"][0]
    np.testing.assert_array_equal(record.boxes, [[10, 5, 60, 40], [1, 2, 30, 20]])
    np.testing.assert_array_equal(record.labels, [1, 0])
    assert (record.boxes.dtype, record.labels.dtype) == (np.float32, np.int32)
    assert record.size == (60, 40)
    assert data.splits["test"][0].boxes.shape == (0, 4)
    assert problem_counts(data) == {}
    assert "Pascal VOC" in data.format


def test_several_folders_are_merged_split_by_split(tmp_path):
    one = write_voc(tmp_path / "VOC2007", THREE, {"trainval": ["a", "b"], "test": ["c"]})
    two = write_voc(tmp_path / "VOC2012", {"d": [CAT], "e": [CAT]}, {"train": ["d"], "val": ["e"]})
    expected = {"train": ["a", "b", "d"], "val": ["e"], "test": ["c"]}
    assert stems(load(one, two)) == expected
    assert stems(load(tmp_path)) == expected


def test_trainval_alone_is_split(tmp_path):
    images = {f"i{n}": [CAT] for n in range(30)}
    root = write_voc(tmp_path, images, {"trainval": list(images)[:20], "test": list(images)[20:]})
    splits = stems(load(root))
    assert len(splits["val"]) == 2
    assert sorted(splits["train"] + splits["val"]) == sorted(list(images)[:20])
    assert splits["test"] == list(images)[20:]


def test_val_is_trainval_without_train(tmp_path):
    root = write_voc(tmp_path, THREE, {"trainval": ["a", "b", "c"], "train": ["a", "c"]})
    assert stems(load(root)) == {"train": ["a", "c"], "val": ["b"]}


@pytest.mark.parametrize("line", ["b", "b 1", "b  -1", "b.jpg", "b.png", "  b  "])
def test_lines_of_a_split_list(tmp_path, line):
    root = write_voc(tmp_path, THREE, {"train": [line, "", "a"], "val": ["c"]})
    assert stems(load(root))["train"] == ["b", "a"]


def test_a_list_may_have_names_in_another_unicode_form(tmp_path):
    root = write_voc(
        tmp_path, {"caf\u00e9": [CAT], "b": [DOG]}, {"train": ["cafe\u0301"], "val": ["b"]}
    )
    assert stems(load(root)) == {"train": ["caf\u00e9"], "val": ["b"]}


@pytest.mark.parametrize(
    ("folder", "lists"),
    [
        ("ImageSets", {"train": "ab", "test": "c"}),
        ("ImageSets/Main", {"train": "ab", "testing": "c"}),
        ("imagesets/main", {"2007_train": "ab", "2007_test": "c"}),
    ],
)
def test_lists_in_image_sets(tmp_path, folder, lists):
    for stem in "abcd":
        write_image(tmp_path / "Images" / f"{stem}.png")
        write_text(tmp_path / "Annotations" / f"{stem}.xml", voc_xml([CAT]))
    for name, names in lists.items():
        write_text(tmp_path / folder / f"{name}.txt", "\n".join(names))
    data = load(tmp_path)
    assert {stem for split in ("train", "val") for stem in stems(data)[split]} == {"a", "b"}
    assert stems(data)["test"] == ["c"]
    assert data.report.unused[tmp_path / "Annotations" / "d.xml"].startswith("in no list of ")
    assert f"split by {folder}" in data.format


def test_a_single_other_list_names_the_images(tmp_path):
    """CVAT writes ImageSets/Main/default.txt."""
    root = write_voc(tmp_path, THREE | {"d": [CAT]}, {"default": "abc"})
    data = load(root)
    assert set(all_records(data)) == set("abc")
    assert "no split in the data" in data.report.text
    write_text(root / "ImageSets" / "Main" / "more.txt", "d\n")
    data = load(root)
    assert set(all_records(data)) == set("abcd")
    assert "2 .txt not used (its name is that of no split): " in data.report.text


def test_the_lists_of_single_classes_are_no_splits(tmp_path):
    lists = {
        "train": "a",
        "val": "b",
        "cat_train": ["a 1"],
        "train_val": ["b -1"],
        "train_train": "a",
    }
    assert stems(load(write_voc(tmp_path, THREE, lists))) == {"train": ["a"], "val": ["b"]}


def test_lists_may_name_folders(tmp_path):
    for folder, box in (("day0", CAT), ("day1", DOG)):
        write_image(tmp_path / "JPEGImages" / folder / "x.jpg")
        write_text(tmp_path / "Annotations" / folder / "x.xml", voc_xml([box]))
    write_text(tmp_path / "ImageSets" / "Main" / "train.txt", "day0/x\n")
    write_text(tmp_path / "ImageSets" / "Main" / "val.txt", "JPEGImages\\day1\\x.jpg\nx\n")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.splits["train"][0].boxes, [CAT[1:]])
    np.testing.assert_array_equal(data.splits["val"][0].boxes, [DOG[1:]])
    assert problem_counts(data) == {Problem.MISSING_ANNOTATION: 1}
    assert "val.txt, line 2: x: 2 XML files have this name" in data.report.text
