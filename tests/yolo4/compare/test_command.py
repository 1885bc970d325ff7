"""The command, without a training."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.helpers.study_folder import detect_first, finish_run, make_images, make_plan
from utils.errors import UserError
from utils.files.lock import locked
from yolo4.compare import command
from yolo4.compare.command import compare, compare_losses
from yolo4.compare.options import CompareOptions
from yolo4.compare.study import Plan
from yolo4.compare.study_files import read_json, write_json


def finished_study(folder) -> Plan:
    """A study of bce and focal with two seeds whose runs have finished."""
    plan = make_plan(folder)
    images = make_images(folder)
    images.save(plan.study.images_file)
    write_json(plan.study.options_file, {"data": ["my_data"], "epochs": 4, "seeds": 2})
    for arm, count in (("bce", 2), ("focal", 4)):
        for seed in plan.seeds:
            finish_run(plan, arm, seed, detect_first(images, count))
    return plan


def test_report_only_writes_and_returns_the_report(tmp_path, capsys):
    plan = finished_study(tmp_path)
    report = compare_losses(CompareOptions(report_only=str(tmp_path)))
    assert [arm["name"] for arm in report["arms"]] == ["bce", "focal"]
    assert report["verdict"] == read_json(plan.study.report_file)["verdict"]
    assert (tmp_path / "report.html").is_file()
    assert compare(CompareOptions(report_only=str(tmp_path))) is None
    assert report["verdict"][0] in capsys.readouterr().out


def test_ctrl_c_says_how_to_continue(tmp_path, monkeypatch):
    def interrupt(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "continue_or_start", interrupt)
    with pytest.raises(KeyboardInterrupt, match="the same command continues"):
        compare_losses(CompareOptions(output=str(tmp_path / "study")))
    assert not (tmp_path / "study").exists()


def test_a_study_has_one_owner(tmp_path):
    options = CompareOptions(output=str(tmp_path))
    with locked(tmp_path), pytest.raises(UserError, match=rf"in use by process {os.getpid()} on "):
        compare_losses(options)


def test_the_command_leaves_the_device_to_its_workers():
    """TensorFlow takes all memory of a GPU in the first process that uses it."""
    code = "import sys, yolo4.compare.command; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_workers_that_train_together_are_refused(tmp_path, monkeypatch):
    workers = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}'
    monkeypatch.setenv("TF_CONFIG", workers)
    with pytest.raises(UserError, match=r"TF_CONFIG names 2 workers.*; unset it, and .* --cluster"):
        compare(CompareOptions(output=str(tmp_path / "study")))
    assert not (tmp_path / "study").exists()
