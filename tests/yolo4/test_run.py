"""Run folders: which are runs, and which is the latest."""

import os
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import format_anchors
from utils.errors import UserError
from yolo4.config import Config
from yolo4.run import Run, open_run

pytestmark = pytest.mark.quick


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_run(tmp_path, name, weights=None, age=0):
    """A run that is `age` seconds old."""
    run = Run(tmp_path / "logs" / name)
    run.folder.mkdir(parents=True)
    run.config_file.write_text(Config(epochs=7).to_json())
    run.classes_file.write_text("cat\nbig dog\n", encoding="utf-8")
    run.anchors_file.write_text(format_anchors(COCO_ANCHORS) + "\n")
    if weights:
        (run.folder / weights).write_bytes(b"")
        os.utime(run.folder / weights, (1e9 - age, 1e9 - age))
    return run


def test_a_run_gives_its_settings_classes_and_anchors(tmp_path):
    make_run(tmp_path, "mine")
    run = open_run("logs/mine")
    assert run.config() == Config(epochs=7)
    assert run.class_names() == ("cat", "big dog")
    np.testing.assert_allclose(run.anchors(), COCO_ANCHORS)


@pytest.mark.parametrize("names", [("é",), ("Сè",), ("Ã©", "貓")])
def test_class_names_come_back_as_training_wrote_them(tmp_path, names):
    run = make_run(tmp_path, "mine")
    run.classes_file.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    assert run.class_names() == names


def test_class_names_in_another_encoding_are_an_error(tmp_path):
    run = make_run(tmp_path, "mine")
    run.classes_file.write_bytes("cat\ncafé\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"classes\.txt: not UTF-8, from byte 7 on"):
        run.class_names()


def test_files_of_a_run_lie_in_it_and_differ(tmp_path):
    run = Run(tmp_path)
    properties = [name for name, value in vars(Run).items() if isinstance(value, property)]
    paths = [path for name in properties if isinstance(path := getattr(run, name), Path)]
    assert {path.parent for path in paths} == {tmp_path}
    assert len(set(paths)) == len(paths) > 10
    assert set(run.files_of_resuming) < set(paths)


def test_a_missing_folder_is_an_error():
    with pytest.raises(UserError, match=r"^logs/none: no such run folder"):
        open_run("logs/none")


def test_a_folder_that_is_no_run_is_an_error(tmp_path):
    (tmp_path / "pictures").mkdir()
    with pytest.raises(UserError, match=r"^pictures: not a run folder; it has no config\.json"):
        open_run("pictures")


def test_a_file_is_no_run_folder(tmp_path):
    make_run(tmp_path, "mine", "best.weights.h5")
    with pytest.raises(UserError, match=r"best\.weights\.h5: no such run folder"):
        open_run("logs/mine/best.weights.h5")


def test_without_a_name_the_latest_trained_run_is_taken(tmp_path):
    make_run(tmp_path, "z-old", "best.weights.h5", age=50)
    make_run(tmp_path, "a-new", "last.weights.h5", age=10)
    make_run(tmp_path, "m-older", "last.weights.h5", age=90)
    make_run(tmp_path, "untrained")
    assert open_run(None).folder.name == "a-new"


def test_weights_without_settings_are_no_run(tmp_path):
    make_run(tmp_path, "mine", "best.weights.h5", age=50)
    stray = tmp_path / "logs" / "stray"
    stray.mkdir()
    (stray / "best.weights.h5").write_bytes(b"")
    assert open_run(None).folder.name == "mine"


def test_no_trained_run_at_all_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"no trained run under logs/; run train\.py first"):
        open_run(None)
    make_run(tmp_path, "untrained")
    with pytest.raises(UserError, match="no trained run"):
        open_run(None)
