"""COCO: the content of a JSON file, and what is reported about it."""

import numpy as np
import pytest

from tests.helpers.annotation_files import (
    all_records,
    load,
    problem_counts,
    write_image,
    write_text,
)
from tests.utils.annotations.formats.coco_files import BOX, coco, write_json
from utils.annotations import Problem
from utils.errors import UserError

pytestmark = pytest.mark.quick


def test_given_class_names_determine_the_labels(root):
    data = load(root, class_names=["zebra", "ant"])
    assert [record.labels.tolist() for record in data.splits["train"]] == [[0], [1]]
    data = load(root, class_names=["ant"])
    assert problem_counts(data) == {Problem.UNKNOWN_CLASS: 2}


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
