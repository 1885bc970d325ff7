"""predict.py as a person calls it, up to where the network would start."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT
from yolo4.config import Config

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


def test_help_and_usage_errors_import_nothing_heavy():
    code = "import sys, predict; print({'keras', 'tensorflow', 'cv2'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=SCRIPT.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.jpg", "--run", "run"], "error: none.jpg: no such file or folder"),
        (["none/*.jpg", "--run", "run"], "error: none/*.jpg: matches no image or video"),
        (["a.jpg", "--run", "logs/none"], "error: logs/none: no such run"),
        (["a.jpg"], "error: no trained run"),
        ([], "error: no trained run"),
        (["a.jpg", "--run", "run", "--score-threshold", "1.5"], "error: --score-threshold is 1.5"),
        (["a.jpg", "--run", "run", "--output", "."], "error: --output .: would overwrite"),
    ],
)
def test_mistakes_are_told_in_one_line_with_status_2(tmp_path, arguments, message):
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(Config().to_json())
    done = call(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(message)
    assert not (tmp_path / "output").exists()
