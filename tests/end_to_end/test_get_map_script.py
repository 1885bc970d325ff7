"""`get_map.py` from the command line, on two folders of text files."""

import json
import os
import subprocess
import sys

import cv2
import pytest

from get_map import CONFIG
from tests.helpers import ROOT
from yolo4.evaluate.options import EvaluateOptions
from yolo4.options import from_mapping

SCRIPT = ROOT / "get_map.py"
# Runs the script, then fails if a deep-learning library came in with it.
WITHOUT_NETWORK = """
import runpy, sys
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    heavy = {"tensorflow", "keras", "jax", "torch"} & set(sys.modules)
    if heavy:
        raise AssertionError(f"imported {heavy}")
"""


def get_map(folder, *arguments):
    code = f"import sys; sys.argv = {[str(SCRIPT), *arguments]!r}\n{WITHOUT_NETWORK}"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parent), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


TEXT = ("--detections", "found", "--ground-truth", "truth")


@pytest.fixture
def example(tmp_path):
    """Cats: T F of 2; traffic lights: one difficult alone; dogs: one of one, in image b."""
    (tmp_path / "found").mkdir()
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "a.txt").write_text(
        "cat 0 0 10 10\ncat 50 50 70 70\ntraffic light 20 20 30 30 difficult\n"
    )
    (tmp_path / "truth" / "b.txt").write_text("Käfer 0 0 100 100\n", encoding="utf-8")
    (tmp_path / "truth" / "c.txt").write_text("")
    (tmp_path / "found" / "a.txt").write_text(
        "cat 0.4 80 80 90 90\ncat 0.9 0 0 10 9\ntraffic light 0.8 20 20 30 30\n"
    )
    (tmp_path / "found" / "b.txt").write_text("Käfer 0.7 0 0 100 80\n", encoding="utf-8")
    return tmp_path


def test_scores_two_folders(example):
    run = get_map(example, *TEXT, "--output", "out dir", "--iou-thresholds", "0.75", "0.85")
    assert run.returncode == 0, run.stderr
    values = json.loads((example / "out dir" / "metrics.json").read_text("utf-8"))
    assert values["voc"]["map"] == 0.75
    assert values["voc"]["ap"] == {"Käfer": 1.0, "cat": 0.5, "traffic light": None}
    assert {iou: v["map"] for iou, v in values["voc"]["by_iou"].items()} == {
        "0.5": 0.75,
        "0.75": 0.75,
        "0.85": 0.25,
    }
    assert values["coco"]["AP50"] == pytest.approx((1 + 51 / 101) / 2)
    assert {"AP", "AP75"} <= values["coco"].keys()
    assert "1 images have no detection file and count as without detections: c" in run.stdout
    assert "left out of the means: traffic light" in run.stdout
    assert "VOC mAP at IoU 0.5: 75.0%" in run.stdout
    for name in ("precision_recall", "score_thresholds", "average_precision"):
        assert cv2.imread(str(example / "out dir" / f"{name}.png")) is not None


def test_no_detections_at_all_is_zero(example):
    for file in (example / "found").iterdir():
        file.unlink()
    run = get_map(example, *TEXT)
    assert run.returncode == 0, run.stderr
    values = json.loads((example / "evaluation" / "metrics.json").read_text("utf-8"))
    assert values["voc"]["map"] == values["coco"]["AP"] == 0
    assert values["best_f1"]["overall"]["threshold"] is None


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("found/a.txt", "cat 0.9 0 0 10 9\ncat 0.9 0 0 10\n", "a.txt:2: 'cat 0.9 0 0 10': a detec"),
        ("truth/a.txt", "cat 0 0 10 ten\n", "a.txt:1: 'cat 0 0 10 ten': an object is"),
        ("found/d.txt", "", "d.txt: there is no d.txt in truth"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(example, file, text, message):
    (example / file).write_text(text)
    run = get_map(example, *TEXT, "--output", "out")
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (example / "out").exists()


def test_an_output_that_is_a_file_is_one_line_and_status_2(example):
    (example / "out").touch()
    run = get_map(example, *TEXT, "--output", "out")
    assert run.returncode == 2
    assert run.stderr.startswith("error: --output out: cannot write there: ")
    assert run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--detections", "found"), "go together"),
        ((), "no trained run"),
        ((*TEXT, "--iou-thresholds", "2"), "--iou-thresholds is 2"),
    ],
)
def test_wrong_calls_are_one_line_and_status_2(example, arguments, message):
    run = get_map(example, *arguments)
    assert run.returncode == 2
    assert message in run.stderr
    assert run.stderr.count("\n") == 1


def test_help_needs_no_network(tmp_path):
    run = get_map(tmp_path, "--help")
    assert run.returncode == 0
    for flag in ("--run", "--data", "--split", "--output", "--detections", "--ground-truth"):
        assert flag in run.stdout


def test_config_shows_the_defaults():
    assert from_mapping(EvaluateOptions, CONFIG, "CONFIG") == EvaluateOptions()
