"""What a machine of the cluster does with a job, without Ray."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.helpers.fake_training import job
from utils.files.lock import locked
from yolo4.compare.cluster import task
from yolo4.compare.cluster.site import marked_site
from yolo4.compare.cluster.task import do_job
from yolo4.compare.cluster.transfer import pack, unpack

pytestmark = pytest.mark.quick


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Path("study")
    study.mkdir()
    (study / "images.json").write_text(json.dumps("the images"))
    return study


def test_a_machine_that_sees_the_study_works_in_it(study):
    with marked_site(study) as site:
        assert site.is_here()
        reports = list(do_job(site, job("a"), None, [], []))
    assert not site.is_here(), "the command has ended"
    assert reports[-1].ended
    assert not any(report.files for report in reports)
    notes = json.loads((study / "runs" / "a" / "notes.json").read_text())
    assert notes["study"] == "study"


def test_another_machine_asks_for_the_files_and_sends_all_of_them_back(study, monkeypatch):
    with marked_site(study) as site:
        site = dataclasses.replace(site, token="another")
        (report,) = do_job(site, job("a"), None, [], [])
        assert report.wants_files
        files = [pack(study, ["images.json"])]
        monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(get=lambda each: each))
        reports = list(do_job(site, job("a"), None, files, []))
    assert not (study / "runs").exists(), "nothing was written here"
    unpack(reports[-1].files, study, "runs/a")
    notes = json.loads((study / "runs" / "a" / "notes.json").read_text())
    assert notes["study"] == "study"
    assert (study / "runs" / "a.log").read_text() == "begun at epoch 0\n"


def test_a_folder_that_another_process_holds_is_waited_for(study, monkeypatch):
    waited = []
    monkeypatch.setattr(task.time, "sleep", waited.append)
    monkeypatch.setattr(task, "_UNTIL_FREE", 0.05)
    with marked_site(study) as site, locked(study / "runs" / "a"):
        list(do_job(site, job("a"), None, [], []))
    assert waited
