"""A full disk is one line, in every command, and the last good state stays."""

import subprocess
import sys
import time

import psutil
import pytest

from tests.helpers.made_run import write_run
from tests.helpers.surroundings import TINY, arguments, call, environment, errors
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")

TOO_LITTLE = 200_000  # bytes; less than the weights take


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    make_sample_data(folder / "data", train=6, val=2, test=2, size=96)
    return folder


@pytest.mark.parametrize(
    ("limit", "script", "rest", "message"),
    [
        (3_000, "predict", ["a.jpg", "--run", "run", "--output", "o3"], "o3/detections.json: "),
        (9_000, "get_map", ["--detections", "f", "--ground-truth", "t"], "--output evaluation: "),
    ],
)
def test_nothing_is_half_written(folder, limit, script, rest, message):
    for name, score in (("f", "0.9 "), ("t", "")):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "a.txt").write_text(f"apple {score}1 1 9 9\n")
    if script == "predict":
        write_run(folder / "run", network="yolov4-tiny-3l")
        (folder / "a.jpg").write_bytes((folder / "data/JPEGImages/test_00000.jpg").read_bytes())
        rest = [*rest, "--backend", "keras"]
    done = call(folder, script, *rest, LIMITS=f"{{'RLIMIT_FSIZE': {limit}}}")
    assert done.returncode == 2
    *others, last = errors(done.stderr)
    assert last.startswith(f"error: {message}")
    assert "File too large" in last
    assert all(line.startswith("not written: ") for line in others)
    hidden = [path for name in ("o3", "evaluation") for path in (folder / name).glob(".*")]
    assert hidden == []


def fill_the_disk(folder, script, rest, config):
    """Call a command, and fill the disk for its processes as soon as a run has its config.

    Returns its status and the lines on standard error.
    """
    import resource

    with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
        process = subprocess.Popen(
            arguments(script, *rest), cwd=folder, env=environment(folder), stdout=out, stderr=err
        )
        # Written last before the first step.
        while not config.exists() and process.poll() is None:
            time.sleep(0.01)
        for each in (psutil.Process(process.pid), *psutil.Process(process.pid).children(True)):
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (TOO_LITTLE, TOO_LITTLE))
        status = process.wait(600)
    return status, errors((folder / "err").read_text())


def test_a_training_keeps_its_last_state(folder):
    """HDF5 would crash the process when it ends, and leave half a file."""
    run = folder / "trained"
    rest = ["--run-dir", run, *f"--data data --epochs 2 --eval-period 1 {TINY}".split()]
    done = fill_the_disk(folder, "train", rest, run / "config.json")
    assert done == (2, [f"error: {run}/best.weights.h5: File too large"])
    assert load_progress(run / "state.npz").epoch == 0
    assert [path for path in run.iterdir() if path.name.startswith(".")] == []
    assert not (run / "best.weights.h5").exists()


@pytest.mark.slow
def test_a_comparison_keeps_the_last_state_of_its_training(folder):
    study, run = folder / "study", folder / "study/runs/bce_seed0"
    rest = ["--output", study, *f"--data data --epochs 2 --eval-period 1 {TINY}".split()]
    done = fill_the_disk(folder, "compare", rest, run / "config.json")
    assert done == (2, [f"error: {run}/best.weights.h5: File too large"])
    assert load_progress(run / "state.npz").epoch == 0
    assert [path.name for path in run.parent.iterdir()] == ["bce_seed0"]
    hidden = [path for each in (study, run) for path in each.iterdir() if path.name[0] == "."]
    assert hidden == []
