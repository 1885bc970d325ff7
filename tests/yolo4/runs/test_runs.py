"""`python -m yolo4 runs`: what the files of runs say, in every state."""

import json
import os

import numpy as np
import pytest

from utils.errors import UserError
from utils.files.lock import locked
from yolo4.cli import parse
from yolo4.config import Config
from yolo4.run import Run
from yolo4.runs.command import list_runs
from yolo4.runs.listing import describe_run, find_runs, sort_rows
from yolo4.runs.options import RunsOptions

pytestmark = pytest.mark.quick

HISTORY = """epoch,images_per_second,val_loss,map50
1,10,,
2,20,3.0,0.5
3,20,,
4,40,2.0,0.25
"""


@pytest.fixture
def make_run(tmp_path):
    """Writes the files of a run; its state, if any, holds this progress."""

    def made(name, progress=None, history=None, **settings):
        run = Run(tmp_path / "logs" / name)
        run.folder.mkdir(parents=True)
        run.config_file.write_text(Config(**settings).to_json(), encoding="utf-8")
        if history:
            run.history_file.write_text(history)
        if progress is not None:
            np.savez(run.state_file, progress=json.dumps({"training_images": 200} | progress))
        return run

    return made


def test_a_finished_run_with_its_scores(make_run):
    run = make_run("a", {}, HISTORY, data=("x/bccd", "more"), epochs=4, input_size=(320, 416))
    (run.folder / "evaluation" / "test").mkdir(parents=True)
    metrics = {"voc": {"map": 0.75}}
    (run.folder / "evaluation" / "test" / "metrics.json").write_text(json.dumps(metrics))
    row = describe_run(run)
    assert (row["name"], row["data"], row["network"]) == ("a", "bccd + more", "yolov4 at 416x320")
    assert (row["loss"], row["epochs"], row["of"]) == ("focal", 4, 4)
    assert (row["val"], row["test"], row["state"]) == (0.5, 0.75, "finished")
    assert row["time"] == pytest.approx(200 * (1 / 10 + 1 / 20 + 1 / 20 + 1 / 40))


def test_a_slim_network_and_the_sample_data_are_named(make_run):
    run = make_run("a", data=("model_data/sample",), network="yolov4", width=0.25, depth=0.33)
    row = describe_run(run)
    assert (row["data"], row["network"]) == ("sample", "yolov4 0.25/0.33 at 416")


@pytest.mark.parametrize(
    ("progress", "history", "state"),
    [
        ({}, None, "can be resumed"),
        ({}, HISTORY, "can be resumed"),
        ({"stopped_early": True}, HISTORY, "finished"),
        (None, HISTORY, "failed"),
        (None, None, "failed"),
    ],
)
def test_states_of_a_run_of_more_epochs(make_run, progress, history, state):
    row = describe_run(make_run("a", progress, history, epochs=9))
    assert (row["state"], row["epochs"]) == (state, 4 if history else 0)
    assert (row["time"] is None) == (history is None or progress is None)


def test_weights_that_were_not_trained_here_are_converted(make_run):
    run = make_run("a")
    run.best_weights.write_bytes(b"weights")
    assert describe_run(run)["state"] == "converted"


def test_a_run_is_running_while_its_lock_is_held(make_run):
    run = make_run("a", {}, HISTORY)
    with locked(run.folder):
        assert describe_run(run)["state"] == "running"
    assert describe_run(run)["state"] == "can be resumed"


def test_a_run_that_diverged_has_failed_with_its_reason(make_run, capsys):
    run = make_run("a", {}, HISTORY)
    run.failure_file.write_text('{"reason": "the box loss is nan at epoch 5"}')
    row = describe_run(run)
    assert (row["state"], row["epochs"]) == ("failed", 4)
    assert row["reason"] == f"{run.folder}: the box loss is nan at epoch 5"
    list_runs(RunsOptions(folder=str(run.folder.parent)))
    assert capsys.readouterr().out.splitlines()[-1] == row["reason"]


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("config.json", "{", "config.json"),
        ("config.json", '{"no_such": 1}', "unknown setting 'no_such'"),
        ("history.csv", "epoch,map50\n1,x\n", "'x' is not a number"),
        ("history.csv", "epoch\n1\n", "history.csv"),
        ("evaluation/test/metrics.json", "[]", "metrics.json"),
        ("state.npz", "damaged", "state.npz"),
        ("failed.json", "{}", "failed.json"),
    ],
)
def test_a_damaged_file_is_named_and_the_other_runs_are_listed(
    make_run, capsys, file, content, reason
):
    run, other = make_run("a", {}, HISTORY), make_run("b", {}, HISTORY)
    (run.folder / file).parent.mkdir(parents=True, exist_ok=True)
    (run.folder / file).write_text(content)
    row = describe_run(run)
    assert row["state"] == "unreadable"
    assert reason in row["reason"]
    list_runs(RunsOptions(folder=str(run.folder.parent), sort="name"))
    head, first, second, why = capsys.readouterr().out.splitlines()
    assert first.split()[0] == "a"
    assert second.split()[0] == other.folder.name
    assert second.endswith("can be resumed")
    assert reason in why
    assert len(head) > 40


def test_a_run_that_found_nothing_has_no_map(make_run):
    history = "epoch,images_per_second,val_loss,map50\n1,10,3.0,\n"
    assert describe_run(make_run("a", {}, history))["val"] is None


def test_columns_sort_by_number_or_name_and_nothing_comes_last():
    rows = [{"val": 0.2, "name": "b"}, {"val": None, "name": "c"}, {"val": 0.9, "name": "a"}]
    assert [row["val"] for row in sort_rows(rows, "val")] == [0.9, 0.2, None]
    assert [row["name"] for row in sort_rows(rows, "name")] == ["a", "b", "c"]


def test_the_latest_run_is_the_first_line(make_run, capsys):
    for name, when in (("old", 1e9), ("new", 1.7e9), ("older", 0.9e9)):
        os.utime(make_run(name).config_file, (when, when))
    folder = str(find_runs(make_run("x").folder.parent)[0].folder.parent)
    list_runs(RunsOptions(folder=folder))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "x", "new", "old", "older"]


def test_json_has_every_number(make_run, capsys):
    run = make_run("a", {}, HISTORY)
    list_runs(RunsOptions(folder=str(run.folder.parent), json=True))
    (row,) = json.loads(capsys.readouterr().out)
    assert row == describe_run(run)
    assert row["folder"] == str(run.folder)


def test_the_table_has_equal_columns(make_run, capsys):
    make_run("a-much-longer-name", {}, HISTORY, epochs=100)
    run = make_run("b")
    list_runs(RunsOptions(folder=str(run.folder.parent), sort="name"))
    head, first, second = capsys.readouterr().out.splitlines()
    for name in ("data", "network", "loss", "state"):
        assert first[head.index(name) - 1] == second[head.index(name) - 1] == " "
    assert first[: head.index("val mAP")].rstrip().endswith("4/100")
    assert "0.500" in first


def test_a_folder_without_runs_and_one_that_is_missing(tmp_path, capsys):
    list_runs(RunsOptions(folder=str(tmp_path)))
    assert capsys.readouterr().out == f"{tmp_path}: no runs; python train.py makes one\n"
    with pytest.raises(UserError, match="nowhere: no such folder"):
        list_runs(RunsOptions(folder=str(tmp_path / "nowhere")))


def test_the_flags_are_those_of_the_options():
    options = parse(RunsOptions(), "", ["--sort", "val", "--json", "--folder", "x"])
    assert options == RunsOptions(folder="x", sort="val", json=True)
    with pytest.raises(SystemExit):
        parse(RunsOptions(), "", ["--sort", "nothing"])
