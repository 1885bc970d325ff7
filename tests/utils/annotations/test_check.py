"""What the checks do to boxes and images, one problem at a time."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.helpers.annotation_files import (
    CAT,
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
from utils.annotations.check import _is_plain, check_box, rotate_corners
from utils.annotations.raw import Annotation, Entry, RawObject
from utils.errors import UserError

pytestmark = pytest.mark.quick

ENTRY = Entry(Path("a.jpg"), Path("a.xml"), lambda: Annotation([], []))
SIZE = (60, 40)


def checked(*corners: float):
    kept, findings = check_box(RawObject("cat", corners, "object 1"), SIZE, ENTRY)
    return [item.corners for item in kept], [finding.problem for finding in findings]


COORDINATES = st.one_of(
    st.integers(-2, 62), st.floats(-2, 62), st.sampled_from([math.nan, math.inf, 1e39, 2**24 + 1])
)


@given(st.tuples(*[COORDINATES] * 4), st.sampled_from([SIZE, (2**24 + 2, 2**24 + 2)]))
def test_a_box_that_is_not_looked_at_closely_has_no_problem(corners, size):
    item = RawObject("cat", corners, "object 1")
    kept, findings = check_box(item, size, ENTRY)
    if _is_plain(corners, size):
        assert (kept, findings) == ([item], [])
    elif max(size) < 100:
        assert findings or kept[0].corners != corners


@pytest.mark.parametrize(
    ("corners", "kept", "problems"),
    [
        ((1, 2, 3, 4), [(1, 2, 3, 4)], []),
        ((0, 0, 60, 40), [(0, 0, 60, 40)], []),
        ((-0.3, 0, 60.4, 40), [(0, 0, 60, 40)], []),
        ((-5, 2, 30, 50), [(0, 2, 30, 40)], [Problem.PARTLY_OUTSIDE]),
        ((1, 2, 61, 4), [(1, 2, 60, 4)], [Problem.PARTLY_OUTSIDE]),
        ((30, 2, 3, 4), [(3, 2, 30, 4)], [Problem.INVERTED]),
        ((3, 40, 30, 4), [(3, 4, 30, 40)], [Problem.INVERTED]),
        ((70, 50, 3, 4), [(3, 4, 60, 40)], [Problem.INVERTED, Problem.PARTLY_OUTSIDE]),
        ((3, 4, 4, 5), [(3, 4, 4, 5)], []),
        ((3, 4, 3.9, 8), [(3, 4, 3.9, 8)], [Problem.BELOW_A_PIXEL]),
        ((3, 4, 8, 4.1), [(3, 4, 8, 4.1)], [Problem.BELOW_A_PIXEL]),
        ((59.5, 4, 70, 8), [(59.5, 4, 60, 8)], [Problem.PARTLY_OUTSIDE, Problem.BELOW_A_PIXEL]),
        ((3, 4, 3, 8), [], [Problem.ZERO_AREA]),
        ((3, 4, 9, 4), [], [Problem.ZERO_AREA]),
        ((3, 4, 3 + 1e-9, 8), [], [Problem.ZERO_AREA]),
        ((61, 4, 70, 8), [], [Problem.OUTSIDE]),
        ((60, 4, 70, 8), [], [Problem.OUTSIDE]),
        ((-0.3, 4, -0.1, 8), [], [Problem.OUTSIDE]),
        ((3, -9, 7, -1), [], [Problem.OUTSIDE]),
        ((math.nan, 4, 70, 8), [], [Problem.NOT_FINITE]),
        ((3, 4, math.inf, 8), [], [Problem.NOT_FINITE]),
    ],
)
def test_boxes(corners, kept, problems):
    assert checked(*corners) == (kept, problems)


@given(*[st.floats(-100, 200)] * 4)
def test_kept_boxes_lie_inside_and_skipped_ones_have_a_problem(x1, y1, x2, y2):
    kept, problems = checked(x1, y1, x2, y2)
    assert kept or problems
    for box in np.array(kept, np.float32):
        assert 0 <= box[0] < box[2] <= SIZE[0]
        assert 0 <= box[1] < box[3] <= SIZE[1]
        assert problems or np.allclose(box, (x1, y1, x2, y2), atol=0.5)


def test_problem_names_file_object_class_and_box(tmp_path):
    root = write_voc(tmp_path, {"a": [("cat", 1, 1, 2, 2), ("dog", -3, 5, 9, 80)], "b": []})
    text = load(root).report.text
    assert "a.xml, object 2: dog [-3, 5, 9, 80] in 60x40" in text
    assert "box partly outside the image, box clipped: 1" in text


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_rotated_corners_match_the_rotated_image(orientation):
    stored = np.zeros((40, 60, 3), np.uint8)
    stored[5:20, 10:50] = 255
    image = Image.fromarray(stored)
    image.getexif()[0x0112] = orientation
    shown = np.asarray(ImageOps.exif_transpose(image))[:, :, 0]
    rows, columns = np.nonzero(shown)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert rotate_corners((10, 5, 50, 20), orientation, (60, 40)) == expected


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ((60, 40), [20, 10, 35, 50]),  # as stored: rotated
        ((40, 60), [10, 5, 30, 20]),  # as displayed
        (None, [10, 5, 30, 20]),
        ((0, 0), [10, 5, 30, 20]),
    ],
)
def test_boxes_of_a_rotated_image(tmp_path, stated, expected):
    box = (10, 5, 50, 20) if stated == (60, 40) else (10, 5, 30, 20)
    write_voc(tmp_path, {"b": []})
    write_image(tmp_path / "JPEGImages" / "a.jpg", (60, 40), orientation=6)
    write_text(tmp_path / "Annotations" / "a.xml", voc_xml([("cat", *box)], size=stated))
    data = load(tmp_path)
    record = all_records(data)["a"]
    assert record.size == (40, 60)
    np.testing.assert_array_equal(record.boxes, [expected])
    assert problem_counts(data) == {}


def test_boxes_of_square_images_and_of_half_turns_are_those_of_the_displayed_image(tmp_path):
    write_image(tmp_path / "JPEGImages" / "a.jpg", (40, 40), orientation=6)
    write_image(tmp_path / "JPEGImages" / "b.jpg", (60, 40), orientation=3)
    for stem, size in (("a", (40, 40)), ("b", (60, 40))):
        xml = voc_xml([("cat", 1, 2, 30, 20)], size=size)
        write_text(tmp_path / "Annotations" / f"{stem}.xml", xml)
    data = load(tmp_path)
    for record in all_records(data).values():
        np.testing.assert_array_equal(record.boxes, [[1, 2, 30, 20]])
    assert problem_counts(data) == {}


def test_a_size_that_fits_in_neither_orientation_is_reported(tmp_path):
    write_voc(tmp_path, {"a": [], "b": []})
    write_text(
        tmp_path / "Annotations" / "a.xml", voc_xml([("cat", 1, 2, 30, 20)], size=(600, 400))
    )
    data = load(tmp_path)
    np.testing.assert_array_equal(all_records(data)["a"].boxes, [[1, 2, 30, 20]])
    assert problem_counts(data) == {Problem.SIZE_DIFFERS: 1}
    assert "a.xml, a.jpg: the image is 60x40; the annotation says 600x400" in data.report.text


def test_images_of_every_mode_have_their_displayed_size(tmp_path):
    write_voc(tmp_path, {"a": [("cat", 1, 2, 30, 20)]})
    for mode in ("L", "P", "RGBA", "CMYK", "I;16"):
        number = "LPRCI".index(mode[0])
        pixels = np.arange(2400, dtype=np.uint16).reshape(40, 60) * 10 + number
        image = Image.fromarray(
            pixels if mode == "I;16" else (pixels >> 6).astype(np.uint8) + number
        )
        image = image if mode == "I;16" else image.convert(mode)
        image.save(tmp_path / "JPEGImages" / f"{mode[0]}.{'tif' if mode == 'CMYK' else 'png'}")
        write_text(tmp_path / "Annotations" / f"{mode[0]}.xml", voc_xml([("cat", 1, 2, 30, 20)]))
    data = load(tmp_path)
    assert len(all_records(data)) == 6
    assert {record.size for record in all_records(data).values()} == {(60, 40)}


def test_an_image_whose_objects_are_all_skipped_becomes_background(tmp_path):
    root = write_voc(
        tmp_path,
        {"a": [("cat", 5, 5, 5, 9)], "b": [("cat", 1, 1, 9, 9)]},
        {"train": ["a", "b"], "val": []},
    )
    data = load(root)
    assert sorted(stems(data)["train"] + stems(data)["val"]) == ["a", "b"]
    assert len(all_records(data)["a"].labels) == 0


def test_a_repeated_box_is_kept_once(tmp_path):
    dog = ("dog", *CAT[1:])
    root = write_voc(tmp_path, {"a": [CAT, dog, CAT, CAT], "b": [CAT]})
    data = load(root)
    record = all_records(data)["a"]
    assert record.labels.tolist() == [0, 1]  # another class in the same place is another object
    np.testing.assert_array_equal(record.boxes, [CAT[1:], CAT[1:]])
    assert problem_counts(data) == {Problem.REPEATED: 2}
    assert "a.xml, object 3: cat [1, 2, 30, 20], as object 1" in data.report.text
    with pytest.raises(UserError, match="box repeated within an image"):
        load(root, on_bad_data="error")
