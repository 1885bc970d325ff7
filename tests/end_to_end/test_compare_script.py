"""The comparison from the command line, end to end on a tiny set."""

import json
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from yolo4.sample_data.make import make_sample_data
from yolo4.train.state.progress import load_progress

SCRIPT = ROOT / "compare.py"
TINY = "--epochs 2 --eval-period 1 --batch-size 4 --width 0.0625 --depth 0.1 --input-size 64"


def compare(folder, *arguments):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder in which bce and focal were compared with one seed."""
    folder = tmp_path_factory.mktemp("compare")
    make_sample_data(folder / "data", train=8, val=4, test=4, size=96)
    done = compare(
        folder, "--data", "data", "--arms", "bce", "focal", "--max-seeds", "1", *TINY.split()
    )
    assert done.returncode == 0, done.stderr
    assert "run 2 of 2: focal, seed 0, about" in done.stdout
    return folder


def report(folder):
    return json.loads((folder / "comparison" / "report.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_both_arms_ran_paired_and_are_measured(study):
    found = report(study)
    assert found["pairing"] | {"fingerprints": None} == {
        "paired": True,
        "reason": None,
        "fingerprints": None,
    }
    bce, focal = found["pairing"]["fingerprints"]
    assert bce["initial_weights"] == focal["initial_weights"]
    assert bce["first_batches"] == focal["first_batches"]
    assert [arm["runs"][0]["status"] for arm in found["arms"]] == ["done", "done"]
    assert found["data"]["split"] == "test"
    assert found["data"]["images"] == 4


@pytest.mark.slow
def test_the_confidence_loss_was_analyzed(study):
    for arm in report(study)["arms"]:
        assert [entry["epoch"] for entry in arm["diagnosis"]["epochs"]] == [0, 1, 2]
        assert arm["worst_negatives"]


@pytest.mark.slow
def test_the_best_epoch_is_the_one_whose_weights_were_kept(study):
    """Training keeps its own account of it. Two epochs detect nothing, so the loss decides."""
    for arm in report(study)["arms"]:
        (run,) = arm["runs"]
        progress = load_progress(study / run["folder"] / "state.npz")
        assert run["best_epoch"] == progress.best_epoch


@pytest.mark.slow
def test_one_seed_never_decides(study):
    (contrast,) = report(study)["contrasts"]
    assert contrast["verdict"] == "undecided"
    assert "one run per arm says nothing" in report(study)["verdict"][0]
    page = (study / "comparison" / "report.html").read_text(encoding="utf-8")
    assert "one run per arm says nothing" in page


@pytest.mark.slow
def test_finished_runs_are_not_run_again_and_the_report_is_drawn_anew(study):
    runs = sorted((study / "comparison" / "runs").glob("*/state.npz"))
    assert len(runs) == 2
    before = [path.stat().st_mtime_ns for path in runs]
    (study / "comparison" / "report.html").unlink()
    done = compare(study, "--report-only", "comparison")
    assert done.returncode == 0, done.stderr
    assert "undecided" in done.stdout
    assert (study / "comparison" / "report.html").is_file()
    arguments = ["--data", str(study / "data"), "--arms", "bce", "focal", "--max-seeds", "1"]
    again = compare(study, *arguments, *TINY.split(), "--workers", "3", "--cache", "ram")
    assert again.returncode == 0, again.stderr
    assert "seed 0" not in again.stdout.split("undecided")[0]
    assert [path.stat().st_mtime_ns for path in runs] == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arms", "bce", "vocal", "--data", "data"], "error: --arms vocal"),
        (
            ["--arms", "bce", "--data", "data"],
            "error: --arms bce: a comparison needs at least two arms",
        ),
    ],
)
def test_mistakes_are_one_line_with_status_2(tmp_path, arguments, message):
    done = compare(tmp_path, *arguments)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    assert message in line
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_folds_and_a_control(study):
    arguments = "--data data --arms bce bce --folds 2 --max-seeds 2 --output folds --measure last"
    done = compare(study, *arguments.split(), *TINY.split())
    assert done.returncode == 0, done.stderr
    assert "4 runs (2 arms, 2 seeds)" in done.stdout
    found = json.loads((study / "folds" / "report.json").read_text(encoding="utf-8"))
    assert found["pairing"]["paired"]
    (contrast,) = found["contrasts"]
    assert (contrast["arm"], contrast["images"]) == ("bce control", 16)
    assert found["measure"] == "last"
    assert len(list((study / "folds" / "runs").glob("*/score_choice_last.json"))) == 4
    histories = [
        (study / "folds" / "runs" / f"{arm}_seed0" / "history.csv").read_text(encoding="utf-8")
        for arm in ("bce", "bce_control")
    ]
    losses = [
        [float(value) for value in history.splitlines()[1].split(",")[4:]] for history in histories
    ]
    assert losses[0] != losses[1], "a millionth changes the training"
    assert losses[0] == pytest.approx(losses[1], rel=0.01), "but hardly its first epoch"


@pytest.mark.slow
def test_tuned_arms_are_trained_with_what_their_trials_chose(study):
    arguments = "--data data --arms bce focal --protocol tuned --trials 2 --max-seeds 1"
    done = compare(study, *arguments.split(), "--output", "tuned", *TINY.split())
    assert done.returncode == 0, done.stderr
    assert "and 2 times 2 trials before" in done.stdout
    found = json.loads((study / "tuned" / "report.json").read_text(encoding="utf-8"))
    assert found["pairing"]["paired"]
    for arm in found["arms"]:
        assert arm["tuning"]["trials"] == 2
        config = json.loads((study / arm["runs"][0]["folder"] / "config.json").read_text())
        for name, value in arm["tuning"]["settings"].items():
            assert config[name] == value
    assert "with settings chosen by trials" in found["verdict"][0]
