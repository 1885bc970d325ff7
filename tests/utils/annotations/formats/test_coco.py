"""COCO JSON in its common layouts."""

import json
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
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick

CATEGORIES = ((90, "zebra"), (3, "ant"))


def coco(names, annotations=(), categories=CATEGORIES, size=(60, 40)) -> dict:
    """Images numbered from 1; annotations as (image id, category id, bbox, iscrowd)."""
    width, height = size
    return {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, name in enumerate(names, start=1)
        ],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": bbox, "iscrowd": crowd}
            for n, (i, c, bbox, crowd) in enumerate(annotations, start=1)
        ],
        "categories": [{"id": number, "name": name} for number, name in categories],
    }


def write_json(path: Path, content: object, encoding: str = "utf-8") -> Path:
    return write_text(path, json.dumps(content, ensure_ascii=False), encoding)


BOX = (1, 90, [10, 5, 20, 30], 0)


@pytest.fixture
def root(tmp_path) -> Path:
    """COCO's own layout: annotations/instances_<split>.json and a folder of images each."""
    for split in ("train2017", "val2017"):
        for name in ("a", "b"):
            write_image(tmp_path / split / f"{name}.jpg")
        content = coco(["a.jpg", "b.jpg"], [BOX, (2, 3, [0, 0, 60, 40], 1)])
        write_json(tmp_path / "annotations" / f"instances_{split}.json", content)
    return tmp_path


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


def test_given_class_names_determine_the_labels(root):
    data = load(root, class_names=["zebra", "ant"])
    assert [record.labels.tolist() for record in data.splits["train"]] == [[0], [1]]
    data = load(root, class_names=["ant"])
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 2}


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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gbk", "latin-1"])
def test_encodings(tmp_path, encoding):
    name = "café" if encoding == "latin-1" else "红细胞"
    write_image(tmp_path / "a.jpg")
    write_image(tmp_path / "b.jpg")
    content = coco(["a.jpg", "b.jpg"], [(1, 1, [1, 1, 5, 5], 0)], [(1, name)])
    write_json(tmp_path / "train.json", content, encoding)
    assert load(tmp_path).class_names == (name,)


def test_each_problem_is_reported(tmp_path):
    for name in "abc":
        write_image(tmp_path / f"{name}.jpg")
    annotations = [
        (1, 3, [1, 1, 5, 5], 0),
        (1, 7, [1, 1, 5, 5], 0),
        (1, 3, [1, 1, 5], 0),
        (1, 3, [1, 1, 0, 5], 0),
        (1, 3, [50, 30, 20, 20], 0),
        (1, 3, [float("nan"), 1, 5, 5], 0),
        (99, 3, [1, 1, 5, 5], 0),
        (1, 3, [21, 31, -20, -30], 0),
        (1, 3, None, 0),
    ]
    write_json(tmp_path / "train.json", coco(["a.jpg", "b.jpg", "gone.jpg"], annotations))
    data = load(tmp_path)
    assert problem_counts(data) == {
        Problem.MISSING_IMAGE: 1,
        Problem.UNKNOWN_CLASS: 1,
        Problem.BAD_OBJECT: 3,
        Problem.ZERO_AREA: 1,
        Problem.PARTLY_OUTSIDE: 1,
        Problem.NOT_FINITE: 1,
        Problem.INVERTED: 1,
    }
    np.testing.assert_array_equal(
        all_records(data)["a"].boxes, [[1, 1, 6, 6], [50, 30, 60, 40], [1, 1, 21, 31]]
    )
    text = data.report.text
    assert "annotation 2: category_id 7 is not among the categories" in text
    assert "annotation 7: image_id 99 is not among the images" in text
    assert "image 3: no file 'gone.jpg'" in text


@pytest.mark.parametrize("odd", [[1], {"id": 1}, None])
def test_invalid_ids_are_reported_with_their_position(tmp_path, odd):
    for name in "abc":
        write_image(tmp_path / f"{name}.jpg")
    box = [1, 1, 5, 5]
    content = coco(["a.jpg", "b.jpg", "c.jpg"], [(1, 3, box, 0), (1, 3, box, 0), (1, odd, box, 0)])
    content["annotations"][1]["image_id"] = odd
    content["annotations"][0]["id"] = odd  # nothing needs this one
    content["images"][1]["id"] = odd
    path = write_json(tmp_path / "train.json", content)
    data = load(tmp_path)
    assert problem_counts(data) == {Problem.BAD_OBJECT: 2, Problem.BAD_ANNOTATION: 1}
    assert sorted(all_records(data)) == ["a", "c"]
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[1, 1, 6, 6]])
    text = data.report.text
    assert f"annotation 2: image_id {odd!r} is not a number or text" in text
    assert f"annotation 3: category_id {odd!r} is not a number or text" in text
    assert f"image no. 2: b.jpg: id {odd!r} is not a number or text" in text

    content["categories"][1]["id"] = odd
    write_json(path, content)
    with pytest.raises(
        UserError, match=r"train\.json, category no\. 2: id .*; expected an id and a name"
    ):
        load(tmp_path)


def test_boxes_of_an_image_stored_rotated_are_rotated(tmp_path):
    write_image(tmp_path / "a.jpg", (60, 40), orientation=8)
    write_image(tmp_path / "b.jpg")
    write_json(tmp_path / "train.json", coco(["a.jpg", "b.jpg"], [(1, 3, [10, 5, 40, 15], 0)]))
    np.testing.assert_array_equal(all_records(load(tmp_path))["a"].boxes, [[5, 10, 20, 50]])


def test_bad_json_names_file_and_line(tmp_path):
    path = write_text(tmp_path / "train.json", '{"images": [],\n "annotations": [}')
    with pytest.raises(UserError, match=r"train\.json, line 2: bad JSON"):
        load(tmp_path)
    path.write_text('{"images": 3}')
    with pytest.raises(UserError, match=r"train\.json: .*'categories'"):
        load(path)
    with pytest.raises(UserError, match="expected"):
        load(tmp_path)


def test_classes_of_several_files_are_merged(tmp_path):
    for split, names in (("train", ("b", "a")), ("val", ("a", "c"))):
        write_image(tmp_path / f"{split}.jpg")
        content = coco([f"{split}.jpg"], [(1, 1, [1, 1, 5, 5], 0)], tuple(enumerate(names)))
        write_json(tmp_path / f"{split}.json", content)
    data = load(tmp_path)
    assert data.class_names == ("b", "a", "c")
    assert data.splits["val"][0].labels.tolist() == [2]


def test_a_repeated_image_id_is_reported(tmp_path):
    for name in "ab":
        write_image(tmp_path / f"{name}.jpg")
    content = coco(["a.jpg", "b.jpg"], [BOX])
    content["images"][1]["id"] = 1
    data = load(write_json(tmp_path / "train.json", content))
    assert list(all_records(data)) == ["a"]
    assert problem_counts(data) == {Problem.BAD_ANNOTATION: 1}
    assert "image 1: b.jpg: id 1 occurs twice" in data.report.text


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


@pytest.mark.parametrize("name", ["data:image/png;base64," + "A" * 5000, "a\0.jpg", None])
def test_an_impossible_file_name(tmp_path, name):
    write_image(tmp_path / "a.jpg")
    data = load(write_json(tmp_path / "train.json", coco(["a.jpg", name], [BOX])))
    assert problem_counts(data) == {Problem.MISSING_IMAGE: 1}


@pytest.mark.parametrize("name", ["", " ", None])
def test_a_category_without_a_name_is_an_error(tmp_path, name):
    path = write_json(tmp_path / "train.json", coco(["a.jpg"], [], [(1, "a"), (2, name)]))
    with pytest.raises(UserError, match=r"category no\. 2: .*; expected an id and a name"):
        load(path)


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


def test_boxes_in_fractions_are_scaled(tmp_path):
    for name in "ab":
        write_image(tmp_path / f"{name}.jpg")
    boxes = [(1, 3, [0.25, 0.25, 0.5, 0.5], 0), (2, 3, [0, 0, 1, 1], 0)]
    data = load(write_json(tmp_path / "train.json", coco(["a.jpg", "b.jpg"], boxes)))
    # The second image alone could also have a box of one pixel, so that all stay as they are.
    assert problem_counts(data) == {Problem.BELOW_A_PIXEL: 1}
    boxes[1] = (2, 3, [0, 0, 1, 0.5], 0)
    data = load(write_json(tmp_path / "train.json", coco(["a.jpg", "b.jpg"], boxes)))
    assert problem_counts(data) == {Problem.FRACTIONS: 2}
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[15, 10, 45, 30]])
    np.testing.assert_array_equal(all_records(data)["b"].boxes, [[0, 0, 60, 20]])
