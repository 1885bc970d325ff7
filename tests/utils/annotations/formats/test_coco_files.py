"""COCO: which JSON files are read, for which images, and which are not."""

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
from tests.utils.annotations.formats.coco_files import BOX, coco, write_json
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


def test_cocos_own_layout(root):
    write_json(root / "annotations" / "captions_train2017.json", {"images": [], "annotations": []})
    data = load(root)
    assert data.format == "COCO JSON"
    assert data.class_names == ("ant", "zebra")  # in the order of the ids 3 and 90
    assert stems(data) == {"train": ["a", "b"], "val": ["a", "b"]}
    for split, records in data.splits.items():
        assert {record.image.parent.name for record in records} == {f"{split}2017"}
        np.testing.assert_array_equal(records[0].boxes, [[10, 5, 30, 35]])
        np.testing.assert_array_equal(records[0].labels, [1])
        assert records[0].difficult.tolist() == [False]
        assert records[1].difficult.tolist() == [True]  # iscrowd
    assert problem_counts(data) == {}


def test_files_named_directly(root):
    train, val = (root / "annotations" / f"instances_{s}2017.json" for s in ("train", "val"))
    assert stems(load(train, val)) == {"train": ["a", "b"], "val": ["a", "b"]}
    assert stems(load(val)) == {"val": ["a", "b"]}


def test_a_folder_per_split_with_its_json(tmp_path):
    for folder in ("train", "valid", "test"):
        write_image(tmp_path / folder / f"{folder}.jpg")
        write_json(tmp_path / folder / "_annotations.coco.json", coco([f"{folder}.jpg"], [BOX]))
    assert stems(load(tmp_path)) == {"train": ["train"], "val": ["valid"], "test": ["test"]}


@pytest.mark.parametrize("folder", ["images", "data/deep", ".", "images/train"])
def test_images_are_found_anywhere_below(tmp_path, folder):
    for name in ("a b#1.jpg", "ü.JPG", "c.jpg"):
        write_image(tmp_path / folder / name)
    names = ["a b#1.jpg", "some/folder/ü.JPG", "C:\\x\\c.jpg"]
    write_json(tmp_path / "annotations" / "all.json", coco(names, [BOX]))
    data = load(tmp_path)
    assert len(all_records(data)) == 3
    assert problem_counts(data) == {}
    assert "80/10/10" in data.report.text


def test_same_names_in_two_splits_are_distinguished(tmp_path):
    for split in ("train", "val"):
        write_image(tmp_path / "images" / split / "0.jpg")
        write_json(tmp_path / "annotations" / f"{split}.json", coco(["0.jpg"], [BOX]))
    data = load(tmp_path)
    for split, records in data.splits.items():
        assert [record.image.parent.name for record in records] == [split]


def test_images_of_the_same_name_are_distinguished_by_their_folders(tmp_path):
    for name in ("one/a.jpg", "two/a.jpg", "one/b.jpg"):
        write_image(tmp_path / "data" / name)
    names = ["C:\\x\\one\\a.jpg", "/home/me/two/a.jpg", "x/one/b.jpg", "x/two/b.jpg"]
    boxes = [(i, 3, [i, i, 9, 9], 0) for i in (1, 2, 3, 4)]
    data = load(write_json(tmp_path / "train.json", coco(names, boxes)))
    records = [record for split in data.splits.values() for record in split]
    found = {r.image.relative_to(tmp_path / "data").as_posix(): r.boxes[:, 0] for r in records}
    assert found == {"one/a.jpg": [1], "two/a.jpg": [2], "one/b.jpg": [3]}
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}
    assert "image 4: no file 'x/two/b.jpg'" in data.report.text


def test_linked_folders_are_searched(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (root / "train2017").rename(elsewhere / "images")
    (root / "train2017").symlink_to(elsewhere / "images")
    (elsewhere / "images" / "loop").symlink_to(root)
    assert stems(load(root)) == {"train": ["a", "b"], "val": ["a", "b"]}


def test_all_instance_annotations_count_whatever_their_names(tmp_path):
    """A file called instances* used to hide every other one."""
    for name in ("t0", "t1", "v0"):
        write_image(tmp_path / "images" / f"{name}.png")
    boxes = [(1, 3, [5, 6, 25, 34], 0), (2, 3, [5, 6, 25, 34], 0)]
    folder = tmp_path / "annotations"
    write_json(folder / "instances_train.json", coco(["t0.png", "t1.png"], boxes))
    write_json(folder / "val.json", coco(["v0.png"], boxes[:1]))
    data = load(tmp_path)
    assert stems(data) == {"train": ["t0", "t1"], "val": ["v0"]}
    np.testing.assert_array_equal(data.splits["val"][0].boxes, [[5, 6, 30, 40]])
    read = f"read from {folder / 'instances_train.json'}, {folder / 'val.json'}"
    assert read in data.report.notes


def test_files_that_are_no_annotations_of_boxes_are_listed_with_the_reason(root):
    captions = coco(["a.jpg"], [BOX])
    del captions["annotations"][0]["bbox"]
    others = {
        "annotations/captions_val2017.json": (captions, "for another task"),
        "annotations/person_keypoints_val2017.json": (coco(["a.jpg"], [BOX]), "for another task"),
        "annotations/texts.json": (captions, "no 'bbox'"),
        "package.json": ({"name": "x"}, "no COCO lists"),
        "deep/er/and/deeper.json": (coco(["a.jpg"], [BOX]), "not part of the data set"),
    }
    for name, (content, _) in others.items():
        write_json(root / name, content)
    write_text(root / "settings.json", "// a comment")
    data = load(root)
    assert stems(data) == {"train": ["a", "b"], "val": ["a", "b"]}
    for name, (_, reason) in others.items():
        assert reason in data.report.unused[root / name]
    assert data.report.unused[root / "settings.json"] == "bad JSON"
    assert problem_counts(data) == {}


def test_many_foreign_files_are_one_line(root):
    for number in range(60):
        write_json(root / "meta" / f"{number}.json", {"shapes": []})
    report = load(root).report
    assert len(report.unused) == 60
    (line,) = [line for line in report.text.splitlines() if "meta" in line]
    assert "60 .json not used (no COCO lists 'images', 'annotations', 'categories'): " in line
    assert line.endswith(" and 55 more")


def test_a_file_of_all_images_is_not_read_a_second_time(root):
    """Joined with the files of the splits, it doubled every object."""
    every = coco(["train2017/a.jpg", "train2017/b.jpg", "val2017/a.jpg"], [BOX])
    write_json(root / "all.json", every)
    data = load(root)
    assert {split: len(records) for split, records in data.splits.items()} == {"train": 2, "val": 2}
    assert [len(r.labels) for records in data.splits.values() for r in records] == [1] * 4
    reason = "files of single splits annotate the same images"
    assert data.report.unused == {root / "all.json": reason}
    write_image(root / "more.jpg")
    every["images"].append({"id": 4, "file_name": "more.jpg"})
    write_json(root / "all.json", every)
    with pytest.raises(UserError, match=r"all\.json and .*instances_train2017\.json both annotate"):
        load(root)


def test_two_files_of_a_split_about_one_image_are_refused(tmp_path):
    for name in "ab":
        write_image(tmp_path / f"{name}.jpg")
    one = write_json(tmp_path / "cats.json", coco(["a.jpg"], [BOX]))
    other = write_json(tmp_path / "dogs.json", coco(["a.jpg", "b.jpg"], [(1, 3, [1, 1, 5, 5], 0)]))
    with pytest.raises(UserError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert f"{one} and {other} both annotate {tmp_path / 'a.jpg'} (1 images in all)" in message
    assert f"--data {one}" in message
    data = load(one, other)  # named by the user, they are merged
    assert len(all_records(data)["a"].labels) == 2
    assert problem_counts(data) == {Problem.LISTED_TWICE: 1}


def test_the_folders_of_the_images_are_splits_if_no_file_is(tmp_path):
    for name in ("train/a.jpg", "train/b.jpg", "validate/c.jpg"):
        write_image(tmp_path / "images" / name)
    write_json(tmp_path / "all.json", coco(["train/a.jpg", "train/b.jpg", "validate/c.jpg"], [BOX]))
    assert stems(load(tmp_path)) == {"train": ["a", "b"], "val": ["c"]}


def test_the_folder_named_like_the_file_has_its_images(tmp_path):
    for folder in ("day", "night"):
        write_image(tmp_path / "images" / folder / "0.jpg")
        write_json(tmp_path / "annotations" / f"{folder}.json", coco(["0.jpg"], [BOX]))
    data = load(tmp_path)
    records = [record for records in data.splits.values() for record in records]
    assert {record.image.parent.name for record in records} == {"day", "night"}
    assert [len(record.labels) for record in records] == [1, 1]


def test_an_unrelated_yaml_file_does_not_stop_a_set(root):
    write_text(
        root / "mkdocs.yaml", "site_name: x\nmarkdown: !!python/name:materialx.emoji.names\n"
    )
    write_text(root / "names.yaml", "names: [")
    assert stems(load(root)) == {"train": ["a", "b"], "val": ["a", "b"]}
