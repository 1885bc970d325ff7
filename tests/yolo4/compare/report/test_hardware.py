"""The machines of the runs: what is named, and which pairs are marked."""

import dataclasses

import pytest

from tests.helpers.report_page import Page
from tests.helpers.report_sample import make_report
from tests.helpers.study_folder import make_plan
from yolo4.compare.report.hardware import hardware
from yolo4.compare.report.page import render
from yolo4.compare.running import machine
from yolo4.compare.running.machine import Machine, machines_of, note_machine
from yolo4.compare.study_files import write_json

pytestmark = pytest.mark.quick

OLD = Machine("north", "Xeon", 4, (), {"keras": "3.15.0"})
NEW = Machine("south", "Xeon", 4, ("L4",), {"keras": "3.15.0"})


def run_on(plan, arm, seed, *machines):
    run = plan.study.run(arm, seed)
    write_json(run.machines_file, [dataclasses.asdict(each) for each in machines])


@pytest.fixture
def plan(tmp_path):
    """Seed 0 ran on equal machines, seed 1 on unlike ones, and of seed 2 focal moved."""
    plan = make_plan(tmp_path, seeds=(0, 1, 2, 3))
    run_on(plan, "bce", 0, OLD)
    run_on(plan, "focal", 0, dataclasses.replace(OLD, host="east"))
    run_on(plan, "bce", 1, OLD)
    run_on(plan, "focal", 1, NEW)
    run_on(plan, "bce", 2, OLD)
    run_on(plan, "focal", 2, OLD, NEW)
    run_on(plan, "focal", 3, NEW)
    return plan


def test_pairs_on_unlike_machines_are_marked(plan):
    found = hardware(plan)
    assert found["kinds"] == {"A": OLD.words, "B": NEW.words}
    focal = found["runs"]["focal"]
    assert {seed: run["unlike"] for seed, run in focal.items()} == {
        "0": False,
        "1": True,
        "2": True,
        "3": False,  # the reference has no such run
    }
    assert focal["2"]["letters"] == ["A", "B"]
    assert focal["2"]["hosts"] == ["north", "south"]
    (sentence,) = found["sentences"]
    assert "focal and bce were trained on unlike machines with seeds 1, 2" in sentence


def test_runs_of_older_versions_have_no_machines(tmp_path):
    assert hardware(make_plan(tmp_path)) == {
        "kinds": {},
        "runs": {"bce": {}, "focal": {}},
        "sentences": [],
    }


def test_the_page_shows_the_machine_of_each_run_where_they_differ(plan, tmp_path):
    report = make_report(arms=("bce", "focal"), seeds=(0, 1, 2))
    assert "machine" not in _header(report, tmp_path)
    report["hardware"] = hardware(plan)
    page = Page(render(report, tmp_path).read_text(encoding="utf-8"))
    assert "A, then B (north, south), unlike bce's" in page.text
    assert "Unlike machines." in page.text
    assert NEW.words in page.text


def _header(report, folder):
    text = Page(render(report, folder).read_text(encoding="utf-8")).text
    return text[text.index("Every run") :][:2000]


def test_a_machine_is_noted_once_in_a_row(tmp_path, monkeypatch):
    run = make_plan(tmp_path).study.run("bce", 0)
    for here in (OLD, OLD, NEW, OLD):
        monkeypatch.setattr(machine.Machine, "here", lambda here=here: here)
        note_machine(run)
    assert machines_of(run) == [OLD, NEW, OLD]


def test_words_tell_apart_what_computes_otherwise():
    assert dataclasses.replace(OLD, host="other").words == OLD.words
    others = [
        {"processor": "EPYC"},
        {"threads": 8},
        {"gpus": ("L4",)},
        {"versions": {"keras": "4"}},
    ]
    assert len({dataclasses.replace(OLD, **each).words for each in others} | {OLD.words}) == 5
