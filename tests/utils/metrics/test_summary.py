"""The numbers of an evaluation as JSON, table and CSV."""

import csv
import io
import json
from dataclasses import replace

import pytest

from tests.helpers.made_boxes import detections, record
from utils.metrics.calibration import ScoreChoice
from utils.metrics.summary import evaluate

pytestmark = pytest.mark.quick

NAMES = ("cat", "ostrich, big", "tree")


@pytest.fixture
def metrics():
    """Class 0: one of two found, nothing else; class 1: found with IoU 0.6 after a false one."""
    truth = [
        record((0, 0, 0, 20, 20, False), (0, 100, 100, 120, 120, False)),
        record((1, 0, 0, 20, 20, False)),
    ]
    found = [
        detections((0, 0.75, 0, 0, 20, 20)),
        detections((1, 0.5, 90, 90, 99, 99), (1, 0.25, 0, 0, 20, 12)),
    ]
    return evaluate(found, truth, NAMES, (0.5, 0.75), coco=True)


def test_json_holds_the_numbers_and_null_where_nothing_was_measured(metrics):
    values = json.loads(metrics.to_json(source={"run": "é"}), parse_constant=pytest.fail)
    assert values["source"] == {"run": "é"}
    assert values["images"] == 2
    assert values["objects"] == {"cat": 2, "ostrich, big": 1, "tree": 0}
    assert values["classes_without_objects"] == ["tree"]
    assert values["voc"]["map"] == pytest.approx(0.5)
    assert values["voc"]["ap"] == {"cat": 0.5, "ostrich, big": 0.5, "tree": None}
    assert values["voc"]["map_11_point"] == pytest.approx((6 / 11 + 0.5) / 2)
    assert values["voc"]["by_iou"]["0.5"]["map"] == values["voc"]["map"]
    assert values["voc"]["by_iou"]["0.75"]["map"] == pytest.approx(0.25)
    best = values["best_f1"]
    assert best["classes"]["cat"] == {"threshold": 0.75, "precision": 1, "recall": 0.5, "f1": 2 / 3}
    assert best["classes"]["tree"]["f1"] is None
    assert best["overall"] == pytest.approx(
        {"threshold": 0.25, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3}
    )
    assert set(values["coco"]) >= {"AP", "AP50", "AP75"}
    # COCO reads precision at 101 points of recall: 51 of them lie within the first half.
    assert values["coco"]["AP50"] == pytest.approx((51 / 101 + 0.5) / 2)
    assert values["coco"]["AP_large"] is None


def test_the_threshold_that_other_images_chose_is_measured(metrics):
    chosen = replace(metrics, choice=ScoreChoice(0.6, 1.0))
    # One of three objects is found, and nothing else.
    expected = {"threshold": 0.6, "precision": 1, "recall": 1 / 3, "f1": 0.5}
    assert chosen.to_dict()["at_val_threshold"] == pytest.approx(expected)
    assert "at score 0.6, which validation images chose: F1 50.0%" in chosen.table()
    assert metrics.to_dict()["at_val_threshold"] is None
    assert "validation images chose" not in metrics.table()


def test_without_anything_json_is_strict_still():
    values = json.loads(evaluate([], [], ["a"], coco=True).to_json(), parse_constant=pytest.fail)
    assert values["voc"]["map"] is None
    assert values["coco"]["AP"] is None


def test_coco_is_left_out_unless_asked_for():
    quick = evaluate([detections()], [record((0, 0, 0, 9, 9, False))], ["a"])
    assert quick.coco is None
    assert quick.map50 == 0
    assert "COCO" not in quick.table()


def test_the_table_says_everything(metrics):
    text = metrics.table()
    cat = next(line for line in text.splitlines() if line.startswith("cat"))
    assert cat.split() == ["cat", "2", "50.0%", "54.5%", "66.7%", "100.0%", "50.0%", "0.75"]
    assert "VOC mAP at IoU 0.75: 25.0%" in text
    assert "left out of the means: tree" in text
    assert "COCO: AP " in text
    lines = text.splitlines()[2:8]
    assert len({len(line) for line in lines}) == 1, "the columns are aligned"


def test_csv_holds_the_curves(metrics):
    rows = list(csv.DictReader(io.StringIO(metrics.to_csv())))
    assert len(rows) == 4 * 101
    at = {(row["class"], row["score_threshold"]): row for row in rows}
    assert at["ostrich, big", "0.25"]["precision"] == "0.5"
    assert at["ostrich, big", "0.26"]["precision"] == "0"
    assert at["ostrich, big", "0.51"]["precision"] == ""
    assert at["ostrich, big", "0.25"]["f1"] == "0.666667"
    assert at["all classes", "0"]["recall"] == "0.666667"
