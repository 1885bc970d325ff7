"""predict.py from the command line, up to the start of the network."""

import os
import subprocess
import sys

import pytest

from predict import CONFIG
from tests.helpers import ROOT
from yolo4.config import Config
from yolo4.options import from_mapping
from yolo4.predict.options import PredictOptions

SCRIPT = ROOT / "predict.py"


def call(*arguments, cwd):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=cwd, capture_output=True, text=True
    )


def test_help_names_every_option(tmp_path):
    done = call("--help", cwd=tmp_path)
    assert done.returncode == 0
    for flag in ("--run", "--output", "--crop", "--count", "--heatmap", "--show", "--nms"):
        assert flag in done.stdout


def test_the_former_name_of_a_setting_in_config_names_the_new_one(tmp_path):
    text = SCRIPT.read_text(encoding="utf-8").replace("nms_threshold=", "iou_threshold=")
    edited = tmp_path / "predict.py"
    edited.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(edited)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    message = "error: CONFIG: 'iou_threshold' has been renamed: use 'nms_threshold'\n"
    assert done.stderr == message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none/*.jpg", "--run", "run"], "error: none/*.jpg: matches no image or video"),
        (["a.jpg"], "error: no trained run"),
        ([], "error: no trained run"),
        (["a.jpg", "--run", "run", "--score-threshold", "1.5"], "error: --score-threshold is 1.5"),
        (["a.jpg", "--iou-threshold", "0.5"], "error: --iou-threshold has been renamed: use --nms"),
        (["a.jpg", "--run", "run", "--output", "."], "error: --output .: would overwrite"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(tmp_path, arguments, message):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(Config().to_json())
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(message)
    assert not (tmp_path / "output").exists()


def test_config_shows_the_defaults():
    assert from_mapping(PredictOptions, CONFIG, "CONFIG") == PredictOptions()
