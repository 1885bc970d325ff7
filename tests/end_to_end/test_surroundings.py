"""Commands in odd surroundings: each works as usual, or ends with one line that says why not."""

import json
import re
import sys

import pytest

from tests.helpers.made_run import write_run
from tests.helpers.surroundings import TINY, call, errors
from yolo4.sample_data.make import make_sample_data

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="users and limits of POSIX")

NAMES = ("яблоко", "лист", "ключ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    make_sample_data(folder / "data", train=6, val=2, test=2, size=96)
    write_run(folder / "run", NAMES, network="yolov4-tiny-3l", data=(str(folder / "data"),))
    (folder / "a.jpg").write_bytes((folder / "data/JPEGImages/test_00000.jpg").read_bytes())
    return folder


@pytest.fixture(scope="module")
def usual(folder):
    done = call(folder, "predict", "a.jpg", "--run", "run", "--output", "u", "--backend", "keras")
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "u/detections.json").read_text(encoding="utf-8"))


def test_predict_finds_the_same_for_a_nameless_user_with_other_settings_of_keras(folder, usual):
    settings = {"floatx": "float64", "epsilon": 1e-3, "image_data_format": "channels_first"}
    (folder / "keras.json").write_text(json.dumps({**settings, "backend": "tensorflow"}))
    done = call(
        *(folder, "predict", "a.jpg", "--run", "run", "--backend", "keras", "--count"),
        without=("HOME", "XDG_CACHE_HOME"),
        KERAS_HOME=str(folder),
        PYTHONIOENCODING="ascii",
    )
    assert (done.returncode, errors(done.stderr)) == (0, [])
    found = json.loads((folder / "output/detections.json").read_text(encoding="utf-8"))
    assert found == usual
    assert len(found[0]["labels"]) > 0
    assert found[0]["labels"][0].encode("ascii", "backslashreplace").decode() in done.stdout


def test_openvino_needs_no_keras_2(folder):
    done = call(
        *(folder, "predict", "a.jpg", "--run", "run", "--backend", "openvino", "--output", "o"),
        TF_USE_LEGACY_KERAS="1",
    )
    assert (done.returncode, errors(done.stderr)) == (0, [])
    assert "computing with OpenVINO" in done.stdout


def test_auto_uses_keras_if_the_run_cannot_be_written(folder):
    copy = folder / "copy"
    copy.mkdir()
    for file in (folder / "run").glob("*.*"):
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "engines").write_text("in the place of the folder; permissions mean nothing to root")
    done = call(folder, "predict", "a.jpg", "--run", "copy", "--output", "o2")
    assert (done.returncode, errors(done.stderr)) == (0, [])
    assert "the network cannot be written to copy/engines/openvino" in done.stdout
    assert "using Keras" in done.stdout


@pytest.mark.parametrize(
    ("script", "rest"),
    [
        ("train", ["--data", "data", *TINY.split()]),
        ("predict", ["a.jpg", "--run", "run", "--backend", "keras"]),
        ("compare", ["--data", "data"]),
    ],
)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"KERAS_BACKEND": "tensorflou"},
            "error: KERAS_BACKEND is 'tensorflou'; it must",
        ),
        (
            {"LIMITS": "{'RLIMIT_AS': 900_000_000}"},
            r"error: (too little memory to load a library|out of memory \(can't start new)",
        ),
    ],
)
def test_a_start_that_is_impossible_is_one_line(folder, script, rest, settings, message):
    done = call(folder, script, *rest, **settings)
    assert done.returncode == 2
    (line,) = errors(done.stderr)
    assert re.match(message, line)


def test_class_names_that_the_terminal_cannot_show_are_measured_and_escaped(tmp_path):
    for name in ("found", "truth"):
        (tmp_path / name).mkdir()
    (tmp_path / "found" / "a.txt").write_text("яблоко 0.9 1 1 9 9\n", encoding="utf-8")
    (tmp_path / "truth" / "a.txt").write_text("яблоко 1 1 9 9\n", encoding="utf-8")
    rest = ("--detections", "found", "--ground-truth", "truth")
    for encoding in ("ascii", "cp1252"):
        done = call(tmp_path, "get_map", *rest, PYTHONIOENCODING=encoding)
        assert (done.returncode, errors(done.stderr)) == (0, [])
        assert r"\u044f\u0431\u043b\u043e\u043a\u043e" in done.stdout
    metrics = (tmp_path / "evaluation/metrics.json").read_text(encoding="utf-8")
    assert "яблоко" in metrics
