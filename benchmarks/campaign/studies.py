"""A study of four finished runs and one that failed, and what reads its files."""

import json
from pathlib import Path

import numpy as np

from benchmarks.campaign.data_sets import BOXES, NAMES, SIZE, write_images
from utils.metrics.calibration import ScoreChoice
from utils.records import Detections, Record
from yolo4.compare.judging import judge_stored
from yolo4.compare.options import CompareOptions
from yolo4.compare.planning.declaration import declare
from yolo4.compare.report.arm_summary import summarize_arm
from yolo4.compare.report.example_images import add_pictures
from yolo4.compare.report.measured import measure_runs
from yolo4.compare.study import open_study
from yolo4.compare.study_files import MeasuredImages, Study, StudyRun, save_detections, write_json
from yolo4.options import option_fields

_SIDES = ("positive", "negative")
# What is changed: the files of the study, and those of its first and its last run.
FILES = (
    *("study.json", "images.json"),
    *(f"runs/bce_seed0/{name}" for name in ("config.json", "history.csv", "fingerprint.json")),
    *(f"runs/bce_seed0/{name}" for name in ("detections.npz", "diagnosis.json")),
    *("runs/bce_seed0/score_choice.json", "runs/bce_seed2/failed.json"),
)


def write_study(folder: Path) -> None:
    """Write a study of two arms and three seeds, as `compare.py` leaves it."""
    study = Study(folder)
    options = CompareOptions(data=("data",), max_seeds=3, looks=(2, 3), split="test", epochs=2)
    values = {field.name: getattr(options, field.name) for field in option_fields(options)}
    declared = [each.to_dict() for each in declare([], options.design, 0)]
    write_json(study.options_file, values | {"declared": declared})
    write_images(folder / "images")
    records = [_record(folder / "images" / f"{stem}.jpg") for stem in "abc"]
    counts = {"train": 9, "val": 3, "test": 3}
    MeasuredImages(NAMES, "test", records, records, counts).save(study.images_file)
    plan = open_study(str(folder))
    for arm, seed, run in plan.runs():
        run.folder.mkdir(parents=True)
        run.config_file.write_text(arm.config(plan.shared, seed).to_json())
        hashes = {"initial_weights": f"w{seed}", "first_batches": f"b{seed}"}
        run.fingerprint_file.write_text(json.dumps(hashes))
        run.history_file.write_text("epoch,images_per_second,map50\n1,9.5,\n2,9.5,0.5\n")
        if seed == 2:
            write_json(run.failure_file, {"reason": "the loss is NaN"})
        else:
            _write_result(run, records, seed)


def _write_result(run: StudyRun, records: list[Record], seed: int) -> None:
    boxes, labels = records[0].boxes, records[0].labels
    scores = np.array([0.9, 0.5 + seed / 9], np.float32)
    ScoreChoice(0.4, 1.5).save(run.score_choice_file)
    write_json(run.diagnosis_file, _diagnosis(str(records[0].image)))
    save_detections(run.detections_file, [Detections(boxes, scores, labels)] * len(records))


def _record(image: Path) -> Record:
    boxes = np.array([box for _, *box in BOXES], np.float32)
    labels = np.array([label for label, *_ in BOXES], np.int32)
    return Record(image, SIZE, boxes, labels, np.zeros(len(BOXES), bool))


def _diagnosis(image: str) -> dict:
    groups = {"positive": 2.5, "easy_negative": 1.5, "hard_negative": 0.5}
    numbers = {"positive": 4, "easy_negative": 90, "hard_negative": 1, "ignored": 2}
    level = {"stride": 8, "loss": groups, "gradient": groups, "predictors": numbers}
    curve = {"loss": [2.5, 0.5], "gradient": [0.9, 0.1]}
    share = {"share_of_predictors": [0.0, 1.0], "share_of_loss": [0.0, 1.0]}
    negative = {"image": image, "box": [1.5, 2.5, 30.0, 20.0], "confidence": 0.9, "loss": 2.5}
    negative |= {"gradient": 0.9, "iou": 0.0, "object": None, "stride": 8}
    return {
        "epochs": [{"epoch": epoch, "levels": [level]} for epoch in (0, 2)],
        "cumulative": dict.fromkeys(_SIDES, share),
        "histogram": {"edges": [0.0, 0.5, 1.0], "positive": [1, 3], "negative": [90, 1]},
        "curves": {"x": [0.1, 0.9], **dict.fromkeys(_SIDES, curve)},
        "worst_negatives": [negative],
    }


def read_study(folder: Path) -> None:
    """Make the numbers and the pictures of a report, from everything that the runs have stored."""
    plan = open_study(str(folder))
    images = MeasuredImages.load(plan.study.images_file)
    measured = measure_runs(plan, images)
    arms = [summarize_arm(plan, arm, images, measured[arm.name]) for arm in plan.arms]
    add_pictures({"arms": arms}, measured)
    judge_stored(plan)
