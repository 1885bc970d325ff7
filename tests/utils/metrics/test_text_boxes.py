"""Boxes as text: what is read, and what is refused with file and line."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.hostile import is_harmless, mutated, refusal
from utils.errors import UserError
from utils.metrics.text_boxes import read_text_boxes
from utils.metrics.voc_map import evaluate_voc

pytestmark = pytest.mark.quick


@pytest.fixture
def folders(tmp_path):
    """Two empty folders and a function that fills them: write(found={...}, truth={...})."""

    def write(found, truth):
        for folder, files in (("found", found), ("truth", truth)):
            for name, text in files.items():
                path = tmp_path / folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            (tmp_path / folder).mkdir(exist_ok=True)
        return tmp_path / "found", tmp_path / "truth"

    return write


def test_reads_names_with_spaces_numbers_and_any_letters(folders):
    read = read_text_boxes(
        *folders(
            {"b 1.txt": "traffic light 0.5 1 2 3 4\nкошка 2 .75 10 20 30.5 40\n\n"},
            {"b 1.txt": "\ufeffкошка 2 10 20 30 40\n  traffic light\t1 2 3 4  \n", "a.txt": ""},
        )
    )
    assert read.class_names == ("traffic light", "кошка 2")
    assert [record.image.name for record in read.records] == ["a", "b 1"]
    np.testing.assert_array_equal(read.records[1].boxes, [[10, 20, 30, 40], [1, 2, 3, 4]])
    assert read.records[1].labels.tolist() == [1, 0]
    assert read.records[1].size == (30, 40)
    # Best score first.
    assert read.detections[1].scores.tolist() == [0.75, 0.5]
    assert read.detections[1].labels.tolist() == [1, 0]
    np.testing.assert_array_equal(read.detections[1].boxes[0], [10, 20, 30.5, 40])
    assert len(read.records[0].labels) == len(read.detections[0]) == 0
    assert read.without_detections == ("a",)


@pytest.mark.parametrize(
    ("line", "name", "box", "difficult"),
    [
        ("cat 1 2 3 4", "cat", (1, 2, 3, 4), False),
        ("cat 1 2 3 4 difficult", "cat", (1, 2, 3, 4), True),
        ("cat 1 2 3 4 1", "cat", (1, 2, 3, 4), True),
        ("cat 1 2 3 4 0", "cat", (1, 2, 3, 4), False),
        ("cat 0 0 1 1", "cat", (0, 0, 1, 1), False),
        ("zone 2 0 0 1 1", "zone 2", (0, 0, 1, 1), False),
        ("zone 2 0 0 1 1 1", "zone 2", (0, 0, 1, 1), True),
        ("zone 2 10 20 30 40", "zone 2", (10, 20, 30, 40), False),
        ("7 0 0 1 1", "7", (0, 0, 1, 1), False),
        ("7 0 0 1 1 0", "7", (0, 0, 1, 1), False),
        ("very difficult 1 2 3 4", "very difficult", (1, 2, 3, 4), False),
        ("a -1.5 2e1 3 40", "a", (-1.5, 20, 3, 40), False),
    ],
)
def test_objects(folders, line, name, box, difficult):
    read = read_text_boxes(*folders({}, {"a.txt": line}))
    assert read.class_names == (name,)
    assert tuple(read.records[0].boxes[0]) == box
    assert read.records[0].difficult.tolist() == [difficult]


@pytest.mark.parametrize(
    "line",
    [
        "cat 1 2 3",
        "1 2 3 4",
        "cat 1 2 3 x",
        "cat 1 2 3 nan",
        "cat 1 2 inf 4",
        "cat 10 20 5 30",
        "cat 10 20 5 30 difficult",
        "cat 10 20 30 1",
        "difficult",
    ],
)
def test_malformed_objects_are_reported_with_file_and_line(folders, line):
    found, truth = folders({}, {"a.txt": f"cat 1 2 3 4\n\n{line}\n"})
    with pytest.raises(UserError, match=r"truth.a\.txt:3: .*: ") as caught:
        read_text_boxes(found, truth)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["cat 1 2 3 4", "0.9 1 2 3 4", "cat 0,9 1 2 3 4", "a nan 1 2 3 4"])
def test_malformed_detections_are_reported_with_file_and_line(folders, line):
    found, truth = folders({"a.txt": f"cat .9 1 2 3 4\n{line}"}, {"a.txt": ""})
    with pytest.raises(UserError, match=r"a\.txt:2: .*a detection is: class score x1 y1 x2 y2"):
        read_text_boxes(found, truth)


def test_width_and_height_instead_of_corners_are_refused(folders):
    found, truth = folders({"a.txt": "cat 0.9 100 100 20 30"}, {"a.txt": ""})
    with pytest.raises(UserError, match="x2 and y2 must not be below x1 and y1"):
        read_text_boxes(found, truth)


def test_a_detection_file_needs_its_ground_truth(folders):
    found, truth = folders({"a.txt": "", "b.txt": "", "c.txt": ""}, {"a.txt": ""})
    with pytest.raises(UserError, match=r"b\.txt: there is no b\.txt in .*nor for 1 other"):
        read_text_boxes(found, truth)


def test_folders_must_exist(folders, tmp_path):
    found, truth = folders({}, {})
    with pytest.raises(UserError, match=r"truth: no \.txt file"):
        read_text_boxes(found, truth)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        read_text_boxes(found, tmp_path / "nowhere")


def test_subfolders_and_objects_without_area(folders):
    read = read_text_boxes(
        *folders(
            {"day/a.TXT": "cat 0.5 1 1 1 2"},
            {"day/a.txt": "cat 1 1 1 2\ncat 1 1 2 2", "night/a.txt": "", ".hidden.txt": "x"},
        )
    )
    assert read.without_detections == ("night/a",)
    assert len(read.detections[0]) == 1
    assert len(read.records[0].labels) == 1
    assert [place.split("truth/")[1] for place in read.without_area] == ["day/a.txt:1"]


@pytest.mark.parametrize("number", ["1e39", "1e400", "-1e30", "nan", "inf", "9" * 400, "1e10"])
def test_numbers_that_no_box_can_have_are_refused_with_their_line(folders, number):
    for found, truth in (
        (f"cat 0.5 1 2 {number} 40", "cat 1 2 30 40"),
        ("cat 0.5 1 2 30 40", f"cat 1 2 {number} 40"),
    ):
        with pytest.raises(UserError, match=r"a\.txt:1: .*: an? (detection|object) is: class"):
            read_text_boxes(*folders({"a.txt": found}, {"a.txt": truth}))


def test_a_box_that_has_no_area_as_it_is_stored_is_left_out(folders):
    truth = {"a.txt": "cat 100000000 0 100000001 10\ncat 0 0 5 5\n"}
    read = read_text_boxes(*folders({}, truth))
    assert len(read.records[0].labels) == 1
    assert read.without_area[0].endswith("a.txt:1")


def test_control_characters_of_names_are_shown_as_escapes(folders):
    read = read_text_boxes(*folders({}, {"a.txt": "a\x1b[31m 1 2 3 4\n"}))
    assert read.class_names == ("a\\x1b[31m",)


@given(data=st.data())
def test_changed_files_are_read_or_refused_in_one_line(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("boxes")
    texts = {
        "found": b"cat 0.5 1 2 30 40\na b 0.25 1 2 3 4\n",
        "truth": b"cat 1 2 30 40 difficult\n",
    }
    for name, text in texts.items():
        (folder / name).mkdir()
        (folder / name / "a.txt").write_bytes(data.draw(mutated(text)))
    message = refusal(read_text_boxes, folder / "found", folder / "truth")
    assert message.startswith(str(folder)) or not message
    assert is_harmless(message)


def test_many_classes_take_linear_time(folders):
    lines = [f"class {number} 0.5 1 2 30 40" for number in range(5_000)]
    truth = "\n".join(line.replace(" 0.5", "") for line in lines)
    read = read_text_boxes(*folders({"a.txt": "\n".join(lines)}, {"a.txt": truth}))
    assert evaluate_voc(read.detections, read.records, read.class_names).map == 1
