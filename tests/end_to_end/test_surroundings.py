"""Commands in odd surroundings: each works as usual, or ends with one line that says why not."""

import json
import os
import subprocess
import sys
import time

import pytest

from tests.helpers import ROOT
from tests.helpers.made_run import write_run
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="users and limits of POSIX")

NAMES = ("яблоко", "лист", "ключ")
# A command as a user without a name, where Keras 2 is not installed and resources are limited.
START = """
import os, pwd, resource, runpy, sys
sys.modules["tf_keras"] = None
def unknown(number): raise KeyError(number)
pwd.getpwuid = unknown
for name, limit in eval(os.environ.get("LIMITS", "{}")).items():
    resource.setrlimit(getattr(resource, name), (limit, limit))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
TINY = "--width 0.0625 --depth 0.2 --input-size 64 --batch-size 2 --precision float32 --workers 1"


def arguments(script, *rest):
    return [sys.executable, "-c", START, str(ROOT / f"{script}.py"), *map(str, rest)]


def environment(folder, without=(), **settings):
    base = {**os.environ, "PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(folder / "cache")}
    return {k: v for k, v in {**base, **settings}.items() if k not in without}


def call(folder, script, *rest, without=(), **settings):
    return subprocess.run(
        arguments(script, *rest),
        cwd=folder,
        env=environment(folder, without, **settings),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
    )


def errors(done):
    """The lines on standard error, without progress bars."""
    lines = done.stderr.replace("\r", "\n").splitlines()
    return [line for line in lines if line.strip() and "%|" not in line]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    make_sample_data(folder / "data", train=6, val=2, test=2, size=96)
    write_run(folder / "run", NAMES, data=(str(folder / "data"),))
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
    assert (done.returncode, errors(done)) == (0, [])
    found = json.loads((folder / "output/detections.json").read_text(encoding="utf-8"))
    assert found == usual
    assert len(found[0]["labels"]) > 0
    assert found[0]["labels"][0].encode("ascii", "backslashreplace").decode() in done.stdout


def test_openvino_needs_no_keras_2(folder):
    done = call(
        *(folder, "predict", "a.jpg", "--run", "run", "--backend", "openvino", "--output", "o"),
        TF_USE_LEGACY_KERAS="1",
    )
    assert (done.returncode, errors(done)) == (0, [])
    assert "computing with OpenVINO" in done.stdout


def test_auto_uses_keras_if_the_run_cannot_be_written(folder):
    copy = folder / "copy"
    copy.mkdir()
    for file in (folder / "run").glob("*.*"):
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "engines").write_text("in the place of the folder; permissions mean nothing to root")
    done = call(folder, "predict", "a.jpg", "--run", "copy", "--output", "o2")
    assert (done.returncode, errors(done)) == (0, [])
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
        ({"LIMITS": "{'RLIMIT_AS': 900_000_000}"}, "error: too little memory to load a library"),
    ],
)
def test_a_start_that_is_impossible_is_one_line(folder, script, rest, settings, message):
    done = call(folder, script, *rest, **settings)
    assert done.returncode == 2
    (line,) = errors(done)
    assert line.startswith(message)


def test_class_names_that_the_terminal_cannot_show_are_measured_and_escaped(tmp_path):
    for name in ("found", "truth"):
        (tmp_path / name).mkdir()
    (tmp_path / "found" / "a.txt").write_text("яблоко 0.9 1 1 9 9\n", encoding="utf-8")
    (tmp_path / "truth" / "a.txt").write_text("яблоко 1 1 9 9\n", encoding="utf-8")
    rest = ("--detections", "found", "--ground-truth", "truth")
    for encoding in ("ascii", "cp1252"):
        done = call(tmp_path, "get_map", *rest, PYTHONIOENCODING=encoding)
        assert (done.returncode, errors(done)) == (0, [])
        assert r"\u044f\u0431\u043b\u043e\u043a\u043e" in done.stdout
    metrics = (tmp_path / "evaluation/metrics.json").read_text(encoding="utf-8")
    assert "яблоко" in metrics


@pytest.mark.parametrize(
    ("limit", "script", "rest", "message"),
    [
        (3_000, "predict", ["a.jpg", "--run", "run", "--output", "o3"], "o3/detections.json: "),
        (9_000, "get_map", ["--detections", "f", "--ground-truth", "t"], "--output evaluation: "),
    ],
)
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    folder, limit, script, rest, message
):
    for name, score in (("f", "0.9 "), ("t", "")):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "a.txt").write_text(f"apple {score}1 1 9 9\n")
    if script == "predict":
        rest = [*rest, "--backend", "keras"]
    done = call(folder, script, *rest, LIMITS=f"{{'RLIMIT_FSIZE': {limit}}}")
    assert done.returncode == 2
    *others, last = errors(done)
    assert last.startswith(f"error: {message}")
    assert "File too large" in last
    assert all(line.startswith("not written: ") for line in others)
    hidden = [path for name in ("o3", "evaluation") for path in (folder / name).glob(".*")]
    assert hidden == []


def test_a_disk_that_fills_during_a_training_leaves_the_last_state(folder):
    """HDF5 would crash the process when it ends, and leave half a file."""
    import resource

    run = folder / "trained"
    rest = ["--run-dir", run, *f"--data data --epochs 2 --eval-period 1 {TINY}".split()]
    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        training = subprocess.Popen(
            arguments("train", *rest), cwd=folder, env=environment(folder), stdout=out, stderr=err
        )
        # Written last before the first step.
        while not (run / "config.json").exists() and training.poll() is None:
            time.sleep(0.01)
        # Less than the weights take.
        resource.prlimit(training.pid, resource.RLIMIT_FSIZE, (500_000, 500_000))
        status = training.wait(600)
    done = subprocess.CompletedProcess([], status, "", (folder / "err").read_text())
    assert (status, errors(done)) == (2, [f"error: {run}/best.weights.h5: File too large"])
    assert load_progress(run / "state.npz").epoch == 0
    assert [path for path in run.iterdir() if path.name.startswith(".")] == []
    assert not (run / "best.weights.h5").exists()
