import dataclasses
import json
import sys

import numpy as np
import pytest

from tests.helpers.fake_packages import only_packages
from tests.helpers.study_folder import (
    NAMES,
    VAL_TEMPERATURE,
    VAL_THRESHOLD,
    begin_run,
    detect_first,
    finish_run,
    make_images,
    make_plan,
)
from utils.inspection.leaks import Leak
from utils.records import Detections
from yolo4.compare.contrast import CO_OUTCOME
from yolo4.compare.design import Design
from yolo4.compare.planning.declaration import Declaration
from yolo4.compare.report.arm_summary import mean_and_sd
from yolo4.compare.report.example_images import add_pictures, without_pictures
from yolo4.compare.report.measured import measure_runs
from yolo4.compare.report.outcome import write_outcome
from yolo4.compare.report.summary import summarize
from yolo4.compare.study_files import write_json


@pytest.fixture
def images(tmp_path):
    return make_images(tmp_path)


@pytest.fixture
def plan(tmp_path, images):
    """bce detects 2 and 4 of 6 objects, focal 4 and 6; all other detections are wrong."""
    plan = make_plan(tmp_path, arms=("bce", "focal", "ohem"))
    images.save(plan.study.images_file)
    for arm, seed, right in (("bce", 0, 2), ("bce", 1, 4), ("focal", 0, 4), ("focal", 1, 6)):
        finish_run(plan, arm, seed, detect_first(images, right))
    begin_run(plan, "ohem", 0)
    write_json(plan.study.run("ohem", 0).failure_file, {"reason": "the loss is nan"})
    return plan


@pytest.fixture
def report(plan, images):
    return summarize(plan, images, measure_runs(plan, images))


@pytest.mark.quick
def test_metrics_of_the_arms(report):
    bce, focal, ohem = report["arms"]
    # The false detections score lowest, so AP is the share of the objects that are found.
    assert bce["metrics"]["voc_map"]["values"] == pytest.approx({"0": 2 / 6, "1": 4 / 6})
    assert bce["metrics"]["voc_map"]["mean"] == pytest.approx(1 / 2)
    assert bce["metrics"]["voc_map"]["sd"] == pytest.approx((2 / 6) / 2**0.5)
    assert focal["ap"]["cat"]["values"] == pytest.approx({"0": 2 / 3, "1": 1})
    assert focal["errors"] == {
        "localization": 0, "class": 0, "background": 0, "duplicate": 0, "missed": 2
    }  # fmt: skip
    assert ohem["metrics"]["voc_map"] == {"mean": None, "sd": None, "values": {}}
    assert ohem["errors"] is None


@pytest.mark.quick
def test_f1_errors_and_temperature_are_those_that_validation_images_chose(report):
    bce, focal, _ = report["arms"]
    assert focal["metrics"]["threshold"]["values"] == {"0": VAL_THRESHOLD, "1": VAL_THRESHOLD}
    # At it 4 of the 6 objects are found, while a lower one would find them all.
    assert focal["metrics"]["f1"]["values"]["1"] == pytest.approx(8 / 10)
    assert focal["errors"]["missed"] == 2
    # 0.9 becomes 0.75 with the temperature of 2, and 0.89 and 0.1 by the same formula:
    scaled = [1 / (1 + (1 / score - 1) ** (1 / VAL_TEMPERATURE)) for score in (0.9, 0.89, 0.1)]
    assert bce["metrics"]["scaled_ece"]["values"]["0"] == pytest.approx(
        (2 - scaled[0] - scaled[1] + 6 * scaled[2]) / 8
    )


def test_a_run_of_an_older_version_has_no_threshold(plan, images):
    for *_, run in plan.runs():
        run.score_choice_file.unlink(missing_ok=True)
    measured = measure_runs(plan, images)
    report = summarize(plan, images, measured)
    add_pictures(report, measured)
    bce = report["arms"][0]
    assert bce["metrics"]["f1"]["mean"] is bce["metrics"]["scaled_ece"]["mean"] is None
    assert bce["errors"] is None
    assert bce["metrics"]["voc_map"]["mean"] == pytest.approx(1 / 2)
    assert report["differing_images"] == []


def test_curves_are_means_over_the_seeds(report):
    bce = report["arms"][0]
    precision = dict(zip(*bce["precision_recall"].values(), strict=True))
    assert (precision[0.3], precision[0.5], precision[1.0]) == (1, 0.5, 0)
    at_one_half = bce["thresholds"]["threshold"].index(0.5)
    assert bce["thresholds"]["recall"][at_one_half] == pytest.approx(0.5)
    assert bce["thresholds"]["precision"][at_one_half] == 1


def test_every_run_is_reported(report):
    bce, _, ohem = report["arms"]
    assert [run["status"] for run in bce["runs"]] == ["done", "done"]
    assert bce["runs"][0]["best_epoch"] == 2
    assert bce["runs"][0]["images_per_second"] == 11.5
    assert bce["runs"][0]["minutes"] == pytest.approx(9 * (1 / 10 + 1 / 11 + 1 / 12 + 1 / 13) / 60)
    assert bce["validation"][0] == {"seed": 0, "epochs": [2, 4], "map50": [0.5, 0.25]}
    assert [run["status"] for run in ohem["runs"]] == ["failed", "missing"]
    assert ohem["runs"][0]["reason"] == "the loss is nan"
    assert (report["runs_wanted"], report["runs_done"]) == (6, 4)


def test_the_verdict_is_that_of_the_contrasts(report):
    focal, ohem = report["contrasts"]
    assert focal["differences"] == pytest.approx([2 / 6, 2 / 6])
    assert ohem["verdict"] == "not comparable"
    assert report["verdict"] == [focal["sentence"], ohem["sentence"]]
    assert report["pairing"]["paired"]


@pytest.mark.quick
def test_a_verdict_says_what_it_is_conditional_on(report):
    focal, ohem = report["verdict"]
    start = "After 4 epochs with equal gains, converged (the best epoch is the last in 0 of 4 runs)"
    assert focal.startswith(f"{start}, ")
    assert "focal" in focal.removeprefix(start)
    start = "After 4 epochs with equal gains, converged (the best epoch is the last in 0 of 2 runs)"
    level = f"at a VOC mAP of {100 * report['arms'][0]['metrics']['voc_map']['mean']:.1f} for bce"
    assert level in focal
    lost = "without the 1 of 1 run of ohem that diverged"
    assert ohem.startswith(f"{start}, {level}, {lost}, ohem and bce cannot be compared")


@pytest.mark.quick
def test_with_folds_every_run_is_measured_on_the_images_of_its_fold(tmp_path, images):
    plan = dataclasses.replace(
        make_plan(tmp_path), declared=(Declaration(Design(folds=2, looks=(2,)), 0, ""),)
    )
    parts = [
        dataclasses.replace(images, records=images.records[start : start + count])
        for start, count in ((0, 2), (2, 4))
    ]
    for fold, part in enumerate(parts):
        part.save(plan.study.fold_file(fold))
    for seed, part in enumerate(parts):
        finish_run(plan, "bce", seed, detect_first(part, 0))
        finish_run(plan, "focal", seed, detect_first(part, 2))
    measured = measure_runs(plan, images)
    report = summarize(plan, images, measured)
    add_pictures(report, measured)
    # All objects of the first fold, and half of those of the second.
    assert report["contrasts"][0]["differences"] == pytest.approx([1, 0.5])
    assert report["contrasts"][0]["images"] == 6
    assert report["arms"][1]["errors"]["missed"] == pytest.approx((0 + 2) / 2)
    assert sum(report["arms"][1]["reliability"]["counts"]) == 2 + 2 + 2 + 4


def test_three_gammas_give_a_regression_coefficient(tmp_path, images, capsys):
    plan = make_plan(tmp_path, arms=("bce", "focal:focal_gamma=0,1,2"))
    images.save(plan.study.images_file)
    for arm, seed, _ in plan.runs():
        finish_run(plan, arm.name, seed, detect_first(images, plan.arms.index(arm) + seed))
    (line,) = write_outcome(plan)["dose_response"]
    assert line["gammas"] == (0, 1, 2)
    assert line["coefficient"] == pytest.approx(1 / 6)
    assert line["sentence"] in capsys.readouterr().out
    page = (plan.study.folder / "report.html").read_text(encoding="utf-8")
    assert "points per unit of gamma" in page


@pytest.mark.quick
def test_runs_that_are_no_pairs_get_no_verdict(tmp_path, images):
    plan = make_plan(tmp_path, seeds=(0,))
    finish_run(plan, "bce", 0, detect_first(images, 2))
    finish_run(plan, "focal", 0, detect_first(images, 4), initial_weights="others")
    report = summarize(plan, images, measure_runs(plan, images))
    assert not report["pairing"]["paired"]
    assert "initial weights" in report["pairing"]["reason"]
    assert report["contrasts"][0]["verdict"] == "not comparable"
    assert "initial weights" in report["verdict"][0]


def test_the_data_is_described(report):
    assert report["data"] == {
        "paths": ["my_data"],
        "split": "test",
        "images": 6,
        "train_images": 9,
        "val_images": 6,
        "objects": dict.fromkeys(NAMES, 3),
    }


def test_images_in_two_splits_are_reported(plan, images):
    leaks = (Leak("test", "a.jpg", "train", "b.jpg", 7),)
    images = dataclasses.replace(images, leaks=leaks)
    assert summarize(plan, images, measure_runs(plan, images))["leaks"] == {
        "sentences": ["1 of 6 images of test is nearly the same as an image of train"],
        "images": [dataclasses.asdict(leaks[0])],
    }


def test_versions_are_reported_whatever_the_packages_are_called(
    plan, images, tmp_path, monkeypatch
):
    packages = {
        "tensorflow-cpu": ("tensorflow", "2.21.1"),
        "keras-nightly": ("keras", "3.15.9"),
        "numpy": ("numpy", "2.4.5"),
        "opencv-python-headless": ("cv2", "4.14.0.93"),
    }
    measured = measure_runs(plan, images)
    monkeypatch.delitem(sys.modules, "jax", raising=False)
    only_packages(tmp_path / "site-packages", packages, monkeypatch)
    versions = summarize(plan, images, measured)["versions"]
    del versions["python"]
    assert versions == {
        "tensorflow": "2.21.1",
        "keras": "3.15.9",
        "numpy": "2.4.5",
        "opencv": "4.14.0.93",
    }


def test_without_tensorflow_the_version_of_jax_is_reported(plan, images, tmp_path, monkeypatch):
    packages = {
        "jax": ("jax", "0.10.2"),
        "keras": ("keras", "3.15.1"),
        "numpy": ("numpy", "2.4.5"),
        "opencv-python": ("cv2", "4.14.0.94"),
    }
    measured = measure_runs(plan, images)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    only_packages(tmp_path / "site-packages", packages, monkeypatch)
    versions = summarize(plan, images, measured)["versions"]
    assert versions["jax"] == "0.10.2"
    assert "tensorflow" not in versions


def test_pictures_show_where_arms_differ_and_the_worst_negatives(plan, images, report):
    add_pictures(report, measure_runs(plan, images))
    differing = report["differing_images"]
    assert [entry["image"] for entry in differing] == ["image_2.png", "image_3.png"]
    assert differing[0]["found"] == {
        "bce": "0 right, 0 wrong, 1 missed",
        "focal": "1 right, 0 wrong, 0 missed",
    }
    assert list(differing[0]["picture"]) == ["ground truth", "bce", "focal"]
    assert all(uri.startswith("data:image/jpeg") for uri in differing[0]["picture"].values())
    there, gone = report["arms"][0]["worst_negatives"]
    assert there["picture"].startswith("data:image/jpeg")
    assert gone["picture"] is None
    numbers = without_pictures(report)
    assert '"picture"' not in json.dumps(numbers)
    assert numbers["differing_images"][0]["found"] == differing[0]["found"]


def test_images_that_are_gone_leave_their_places_empty(plan, images, report):
    for record in images.records:
        record.image.unlink()
    add_pictures(report, measure_runs(plan, images))
    assert report["differing_images"][0]["picture"] == {}
    assert report["arms"][0]["worst_negatives"][0]["picture"] is None


@pytest.mark.quick
def test_the_co_outcome_is_printed_below_the_verdict_and_is_no_secondary_one(plan, capsys):
    design = Design(looks=(2,), co_outcome=CO_OUTCOME.name)
    plan = dataclasses.replace(plan, declared=(Declaration(design, 0, ""),))
    report = write_outcome(plan)
    (focal,) = report["co_outcome"]
    assert focal["differences"] == pytest.approx([2 / 6, 2 / 6])
    printed = capsys.readouterr().out
    assert printed.index(report["verdict"][1]) < printed.index(f"Co-outcome: {focal['sentence']}")
    assert CO_OUTCOME.name not in {each["outcome"] for each in report["secondary"]}


def test_the_outcome_is_written_printed_and_returned(plan, capsys):
    returned = write_outcome(plan)
    report = json.loads(plan.study.report_file.read_text(encoding="utf-8"))
    assert json.loads(json.dumps(returned)) == report
    assert report["verdict"][0] in capsys.readouterr().out
    page = (plan.study.folder / "report.html").read_text(encoding="utf-8")
    assert report["verdict"][0].split()[0] in page


def test_a_tie_in_map_names_the_epoch_whose_weights_were_kept(plan, images):
    run = plan.study.run("bce", 0)
    rows = ["epoch,images_per_second,val_loss,map50"]
    rows += ["1,10,9.0,0", "2,11,3.0,0.5", "3,12,2.0,0.5", "4,13,1.0,0.25"]
    run.history_file.write_text("\n".join(rows) + "\n")
    report = summarize(plan, images, measure_runs(plan, images))
    assert report["arms"][0]["runs"][0]["best_epoch"] == 3


def test_a_run_that_detects_nothing_is_reported(tmp_path, images):
    plan = make_plan(tmp_path, seeds=(0,))
    images.save(plan.study.images_file)
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, int))
    finish_run(plan, "bce", 0, [nothing] * len(images.records))
    finish_run(plan, "focal", 0, detect_first(images, 2))
    bce, focal = write_outcome(plan)["arms"]
    assert bce["metrics"]["voc_map"]["mean"] == 0
    assert bce["reliability"]["ece"] is bce["metrics"]["ece"]["mean"] is None
    assert focal["reliability"]["ece"] is not None


@pytest.mark.quick
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (None, None, {})),
        ({0: 0.5}, (0.5, None, {"0": 0.5})),
        ({0: 0.5, 1: float("nan")}, (0.5, None, {"0": 0.5, "1": None})),
        ({0: 1.0, 2: 3.0}, (2.0, 2**0.5, {"0": 1.0, "2": 3.0})),
    ],
)
def test_mean_and_sd(values, expected):
    mean, sd, by_seed = expected
    assert mean_and_sd(values) == {"mean": mean, "sd": pytest.approx(sd), "values": by_seed}
