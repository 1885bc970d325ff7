import numpy as np
import pytest

from benchmarks.inference.agreement import counterparts
from utils.records import Detections
from yolo4.inference.agreement import agree
from yolo4.inference.engine import BackendNetwork
from yolo4.inference.verified_bfloat16 import VerifiedBfloat16

pytestmark = pytest.mark.quick

BOXES = np.array([[[0, 0, 10, 10], [20, 20, 60, 40]]], np.float32)
CONFIDENCE = np.array([[0.8, 0.2]], np.float32)
SCORES = np.array([[[0.9, 0.1], [0.9, 0.1]]], np.float32)
EXACT = (BOXES, CONFIDENCE, SCORES)


def moved(dx):
    boxes = BOXES.copy()
    boxes[0, 0, [0, 2]] += dx
    return boxes, CONFIDENCE, SCORES


def test_the_same_agrees():
    assert agree(EXACT, EXACT) is True


@pytest.mark.parametrize(("dx", "same"), [(0.5, True), (0.6, False)])  # IoU 9.5/10.5 and 9.4/10.6
def test_boxes_agree_at_iou_nine_tenths(dx, same):
    assert agree(moved(dx), EXACT) is same


@pytest.mark.parametrize(("confidence", "same"), [(0.7, True), (0.68, False), (0.0, False)])
def test_scores_agree_within_a_tenth(confidence, same):
    found = (BOXES, np.array([[confidence, 0.2]], np.float32), SCORES)
    assert agree(found, EXACT) is same


def test_what_is_found_too_much_is_another_box():
    low = (BOXES, np.array([[0.2, 0.2]], np.float32), SCORES)
    assert agree(EXACT, low) is False
    more = (BOXES, np.array([[0.8, 0.9]], np.float32), SCORES)
    assert agree(more, EXACT) is False


def test_another_class_is_another_box():
    assert agree((BOXES, CONFIDENCE, SCORES[..., ::-1]), EXACT) is False


@pytest.mark.parametrize(("astray", "same"), [(1, True), (2, False)])
def test_one_in_a_hundred_may_go_astray(astray, same):
    boxes = np.repeat(BOXES[:, :1], 100, axis=1)
    exact = (boxes, np.full((1, 100), 0.9, np.float32), np.ones((1, 100, 1), np.float32))
    found = boxes.copy()
    found[0, :astray] += 20
    assert agree((found, *exact[1:]), exact) is same


def test_nan_does_not_agree():
    assert agree((BOXES * np.nan, CONFIDENCE, SCORES), EXACT) is False


def test_what_scores_low_tells_nothing():
    low = (BOXES, CONFIDENCE / 4, SCORES)
    assert agree(low, low) is None


@pytest.mark.parametrize(
    ("shift", "lost", "labels", "wanted"),
    [
        (0.5, 0, [0, 1, 1, 0], [True, True, True]),  # IoU 9.5/10.5 and more
        (0.6, 0, [0, 1, 1, 0], [False, True, False]),
        (0, 0.04, [0, 1, 1, 0], [True, True, True]),
        (0, 0.1, [0, 1, 1, 0], [True, True, False]),  # 0.21 is none
        (0, 0, [0, 0, 0, 0], [True, False, False]),
    ],
)
def test_counterparts_of_the_boxes_that_count(shift, lost, labels, wanted):
    boxes = np.array([[0, 0, 10, 10], [20, 20, 40, 40], [50, 50, 60, 60], [0, 0, 10, 10]], float)
    scores = np.array([0.9, 0.8, 0.31, 0.2])
    found = Detections(boxes, scores, np.array([0, 1, 1, 0]))
    others = Detections(boxes + np.array([shift, 0, shift, 0]), scores - lost, np.array(labels))
    assert list(counterparts(found, others)) == wanted


class Starts:
    """Networks by precision, and which were started."""

    def __init__(self, **networks):
        self.networks = networks
        self.started = []

    def __call__(self, precision):
        self.started.append(precision)
        return lambda images: self.networks[precision]


LOW = (BOXES, CONFIDENCE / 4, SCORES)
ONE = np.zeros((1, 2, 2, 3), np.uint8)


def verified(starts, folder, hardware="this"):
    return VerifiedBfloat16(starts, folder / "bfloat16.json", hardware)


def test_bfloat16_is_kept_where_it_agrees_and_not_asked_again(tmp_path):
    starts = Starts(float32=EXACT, bfloat16=moved(0.1))
    network = verified(starts, tmp_path)
    for _ in range(2):
        assert network(ONE) is starts.networks["bfloat16"]
    assert starts.started == ["bfloat16", "float32"]
    again = verified(starts, tmp_path)
    again(ONE)
    assert (again.precision, starts.started[2:]) == ("bfloat16", ["bfloat16"])


def test_float32_takes_over_where_bfloat16_does_not_agree(tmp_path, capsys):
    starts = Starts(float32=EXACT, bfloat16=moved(5))
    network = BackendNetwork("OpenVINO", verified(starts, tmp_path))
    assert str(network) == "OpenVINO bfloat16"
    assert network(ONE) is EXACT
    assert str(network) == "OpenVINO float32"
    assert "continuing in float32" in capsys.readouterr().out
    again = verified(starts, tmp_path)
    assert (again.precision, starts.started[2:]) == ("float32", ["float32"])
    assert again(ONE) is EXACT


def test_another_processor_or_library_is_asked_anew(tmp_path):
    starts = Starts(float32=EXACT, bfloat16=moved(5))
    verified(starts, tmp_path)(ONE)
    there = verified(starts, tmp_path, hardware="another")
    assert there.precision == "bfloat16"
    assert there(ONE) is EXACT


def test_images_without_a_box_leave_the_question_to_the_next_one(tmp_path):
    starts = Starts(float32=LOW, bfloat16=LOW)
    network = verified(starts, tmp_path)
    assert network(ONE) is LOW
    assert not (tmp_path / "bfloat16.json").exists()
    starts.networks = {"float32": EXACT, "bfloat16": moved(5)}
    assert network(ONE) is EXACT


def test_after_many_of_them_only_bfloat16_goes_on(tmp_path):
    starts = Starts(float32=LOW, bfloat16=LOW)
    network = verified(starts, tmp_path)
    for _ in range(30):
        network(ONE)
    starts.networks = {"float32": EXACT, "bfloat16": moved(5)}
    assert network(ONE) is starts.networks["bfloat16"]
    assert not (tmp_path / "bfloat16.json").exists()


@pytest.mark.parametrize("text", ["{", '{"agrees": false}'])
def test_a_broken_memory_is_as_good_as_none(tmp_path, text):
    (tmp_path / "bfloat16.json").write_text(text)
    assert verified(Starts(bfloat16=EXACT, float32=EXACT), tmp_path).precision == "bfloat16"


def test_without_room_for_the_memory_it_goes_on(tmp_path):
    (tmp_path / "file").touch()
    network = verified(Starts(float32=EXACT, bfloat16=EXACT), tmp_path / "file")
    assert network(ONE) is EXACT
