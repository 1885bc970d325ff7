import copy
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.study_folder import diagnosis
from utils.errors import FileError, UserError
from utils.inspection.leaks import Leak
from utils.metrics.calibration import ScoreChoice
from utils.records import Detections, Record
from yolo4.compare.loss.stored import read_diagnosis
from yolo4.compare.study_files import (
    MeasuredImages,
    Study,
    StudyRun,
    load_detections,
    save_detections,
    write_json,
)
from yolo4.config import Config

pytestmark = pytest.mark.quick


def detections(count, seed=0):
    rng = np.random.default_rng(seed)
    return Detections(
        rng.random((count, 4), np.float32),
        rng.random(count, np.float32),
        rng.integers(0, 9, count, np.int32),
    )


def images(count):
    """That many images without objects, of nine classes."""
    empty = np.zeros((0, 4), np.float32)
    record = Record(Path("a.png"), (9, 9), empty, np.zeros(0, np.int32), np.zeros(0, bool))
    return MeasuredImages(tuple("abcdefghi"), "test", [record] * count, [], {})


def test_measured_weights_have_their_own_choice_of_scores(tmp_path):
    """Training keeps that of the best weights; a study adds that of the last ones."""
    best, last = StudyRun(tmp_path), StudyRun(tmp_path, "last")
    for file in (best.best_weights, best.last_weights):
        file.write_bytes(b"weights")
    assert (best.weights(), last.weights()) == (best.best_weights, best.last_weights)
    ScoreChoice(0.3, 1.0).save(best.score_choice_file)
    assert best.score_choice() == ScoreChoice(0.3, 1.0)
    ScoreChoice(0.4, 2.0).save(last.last_choice_file)
    assert best.score_choice() == last.score_choice() == ScoreChoice(0.4, 2.0)


@given(counts=st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_detections_come_back_image_by_image(tmp_path_factory, counts):
    path = tmp_path_factory.mktemp("stored") / "detections.npz"
    found = [detections(count, seed) for seed, count in enumerate(counts)]
    save_detections(path, found)
    back = load_detections(path, images(len(counts)))
    assert len(back) == len(found)
    for one, other in zip(found, back, strict=True):
        for name in ("boxes", "scores", "labels"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_images_come_back(tmp_path):
    empty = np.zeros((0, 4), np.float32)
    records = [
        Record(
            Path("a b#ü.jpg"),
            (640, 480),
            np.array([[1, 2.5, 30, 40]], np.float32),
            np.array([1], np.int32),
            np.array([True]),
        ),
        Record(Path("c.png"), (32, 32), empty, np.zeros(0, np.int32), np.zeros(0, bool)),
    ]
    counts = {"train": 5, "val": 1, "test": 2}
    leaks = (Leak("test", "a b#ü.jpg", "train", "t.jpg", 7),)
    images = MeasuredImages(("a", "ü"), "test", records, records[1:], counts, leaks)
    images.save(tmp_path / "i.json")
    back = MeasuredImages.load(tmp_path / "i.json")
    assert back.leaks == leaks
    assert [record.image for record in back.val] == [records[1].image]
    assert (back.class_names, back.split, back.counts["train"]) == (("a", "ü"), "test", 5)
    for one, other in zip(records, back.records, strict=True):
        assert (one.image, one.size) == (other.image, other.size)
        for name in ("boxes", "labels", "difficult"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


def test_images_of_an_earlier_version_are_read(tmp_path):
    MeasuredImages(("a",), "test", [], [], {"test": 0}).save(tmp_path / "i.json")
    stored = json.loads((tmp_path / "i.json").read_text())
    del stored["leaks"]
    write_json(tmp_path / "i.json", stored)
    assert MeasuredImages.load(tmp_path / "i.json").leaks == ()


def test_a_run_is_done_with_its_detections_and_failed_with_a_reason(tmp_path):
    run = Study(tmp_path).run("focal", 1)
    run.folder.mkdir(parents=True)
    assert (run.is_done, run.failure) == (False, None)
    run.failure_file.write_text('{"reason": "nan"}')
    assert run.failure == "nan"
    save_detections(run.detections_file, [detections(2)])
    assert run.is_done


@pytest.mark.parametrize("name", ["gradient", "slope"])
def test_a_diagnosis_of_an_earlier_version_is_read(tmp_path, name):
    curve = {"loss": [1.0], name: [0.5]}
    curves = {"x": [0.1], "positive": curve, "negative": curve}
    stored = diagnosis(tmp_path) | {"curves": curves, "epochs": []}
    write_json(tmp_path / "diagnosis.json", stored)
    found = read_diagnosis(tmp_path / "diagnosis.json")
    assert found == stored | {"curves": found["curves"]}
    for side in ("positive", "negative"):
        assert found["curves"][side] == {"loss": [1.0], "gradient": [0.5]}


def without(stored):
    del stored["epochs"][0]["levels"][0]["loss"]["positive"]


def not_finite(stored):
    stored["curves"]["x"][3] = float("inf")


def shortened(stored):
    stored["histogram"]["positive"].pop()


def levels_differ(stored):
    stored["epochs"][1]["levels"].pop()


def a_text(stored):
    stored["cumulative"]["negative"]["share_of_loss"] = "all"


def half_a_box(stored):
    del stored["worst_negatives"][0]["box"][2:]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without, "'positive'"),
        (not_finite, r"it\.curves\.x is inf"),
        (shortened, "a list of 20 entries goes with one of 21"),
        (levels_differ, "a list of 2 entries goes with one of 3"),
        (a_text, r"it\.cumulative\.negative\.share_of_loss is 'all'"),
        (half_a_box, "a list of 2 entries goes with one of 4"),
    ],
)
def test_a_diagnosis_that_cannot_be_drawn_is_refused(tmp_path, change, message):
    file, stored = tmp_path / "diagnosis.json", copy.deepcopy(diagnosis(tmp_path))
    change(stored)
    file.write_text(json.dumps(stored))
    with pytest.raises(FileError, match=message) as caught:
        read_diagnosis(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert str(caught.value).endswith("; expected the diagnosis of a run")


@pytest.mark.parametrize(("content", "message"), [(None, "no such file"), ("{", "bad JSON")])
def test_a_broken_folder_is_reported(tmp_path, content, message):
    study = Study(tmp_path)
    if content:
        study.images_file.write_text(content)
    with pytest.raises(UserError, match=message):
        MeasuredImages.load(study.images_file)


def test_runs_with_a_seed_share_the_positives_that_the_first_one_counted(tmp_path):
    study = Study(tmp_path)
    assert study.positives_per_image(1) is None
    for arm, seed, count in (("focal", 1, 3.5), ("bce", 11, 7.0)):
        run = study.run(arm, seed)
        run.folder.mkdir(parents=True)
        run.config_file.write_text(Config(positives_per_image=count).to_json())
    assert study.positives_per_image(1) == 3.5
    assert study.positives_per_image(11) == 7.0
    assert study.positives_per_image(2) is None
