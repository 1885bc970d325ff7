import numpy as np
import pytest

from yolo4.engines.agreement import agree
from yolo4.engines.engine import Network
from yolo4.engines.precision import Checked

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


class Starts:
    """Networks by precision, and which were started."""

    def __init__(self, **networks):
        self.networks = networks
        self.started = []

    def __call__(self, precision):
        self.started.append(precision)
        return lambda images: self.networks[precision]


def test_bfloat16_is_kept_where_it_agrees_and_not_asked_again(tmp_path):
    starts = Starts(float32=EXACT, bfloat16=moved(0.1))
    checked = Checked(starts, tmp_path / "bfloat16.json")
    assert starts.started == ["bfloat16"]
    for _ in range(2):
        assert checked(np.zeros(1)) is starts.networks["bfloat16"]
    assert starts.started == ["bfloat16", "float32"]
    again = Checked(starts, tmp_path / "bfloat16.json")
    again(np.zeros(1))
    assert (again.precision, starts.started[2:]) == ("bfloat16", ["bfloat16"])


def test_float32_takes_over_where_bfloat16_does_not_agree(tmp_path, capsys):
    starts = Starts(float32=EXACT, bfloat16=moved(5))
    network = Network("OpenVINO", Checked(starts, tmp_path / "bfloat16.json"))
    assert str(network) == "OpenVINO bfloat16"
    assert network(np.zeros(1)) is EXACT
    assert str(network) == "OpenVINO float32"
    assert "going on in float32" in capsys.readouterr().out
    again = Checked(starts, tmp_path / "bfloat16.json")
    assert (again.precision, starts.started[-1]) == ("float32", "float32")
    assert again(np.zeros(1)) is EXACT


def test_without_a_box_the_question_stays_open(tmp_path):
    low = (BOXES, CONFIDENCE / 4, SCORES)
    checked = Checked(Starts(float32=low, bfloat16=low), tmp_path / "bfloat16.json")
    checked(np.zeros(1))
    assert not (tmp_path / "bfloat16.json").exists()


def test_a_broken_memory_is_as_good_as_none(tmp_path):
    (tmp_path / "bfloat16.json").write_text("{")
    assert Checked(Starts(bfloat16=EXACT), tmp_path / "bfloat16.json").precision == "bfloat16"
