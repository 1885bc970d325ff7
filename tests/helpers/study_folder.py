"""Makes the folder of a study by hand, with runs whose detections are known."""

import json
from pathlib import Path

import cv2
import numpy as np

from tests.helpers.report_sample import make_report
from utils.metrics.calibration import ScoreChoice
from utils.records import Detections, Record
from yolo4.compare.arms import parse_arms
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, Study, save_detections, write_json
from yolo4.config import Config

NAMES = ("cat", "dog")
SIDE = 64
# What validation images chose in each finished run.
VAL_THRESHOLD, VAL_TEMPERATURE = 0.865, 2.0


def make_images(folder: Path, count: int = 6) -> MeasuredImages:
    """Images with one object each, the classes alternating; the validation split has them too."""
    records = []
    for i in range(count):
        path = folder / f"image_{i}.png"
        pixels = np.random.default_rng(i).integers(0, 255, (SIDE, SIDE, 3), np.uint8)
        cv2.imwrite(str(path), pixels)
        box = np.array([[8 + i, 8, 40, 40 + i]], np.float32)
        label = np.array([i % 2], np.int32)
        records.append(Record(path, (SIDE, SIDE), box, label, np.zeros(1, bool)))
    counts = {"train": 9, "val": count, "test": count}
    return MeasuredImages(NAMES, "test", records, records, counts)


def make_plan(folder: Path, arms=("bce", "focal"), seeds=(0, 1)) -> Plan:
    """A plan without runs."""
    study = Study(folder)
    shared = Config(data=("my_data",), epochs=4)
    return Plan(study, parse_arms(arms, "as_is"), tuple(seeds), shared, resamples=2000)


def detect_first(images: MeasuredImages, count: int) -> list[Detections]:
    """The objects of the first `count` images, and in each image one false positive."""
    return [
        Detections(
            np.array([*(record.boxes if i < count else ()), [50, 50, 60, 60]], np.float32),
            np.array([*([0.9 - i / 100] if i < count else ()), 0.1], np.float32),
            np.array([*(record.labels if i < count else ()), 0], np.int32),
        )
        for i, record in enumerate(images.records)
    ]


def finish_run(plan: Plan, arm_name: str, seed: int, detections, **fingerprint) -> None:
    """Write the files of a finished run."""
    arm = next(arm for arm in plan.arms if arm.name == arm_name)
    run = plan.study.run(arm.folder, seed)
    begin_run(plan, arm_name, seed, **fingerprint)
    rows = ["epoch,images_per_second,val_loss,map50"]
    rows += ["1,10,,", "2,11,3.0,0.5", "3,12,,", "4,13,2.0,0.25"]
    run.history_file.write_text("\n".join(rows) + "\n")
    ScoreChoice(VAL_THRESHOLD, VAL_TEMPERATURE).save(run.score_choice_file)
    write_json(run.diagnosis_file, diagnosis(plan.study.folder))
    save_detections(run.detections_file, detections)


def begin_run(plan: Plan, arm_name: str, seed: int, config=None, **fingerprint) -> None:
    """Write the files of a run that has started."""
    arm = next(arm for arm in plan.arms if arm.name == arm_name)
    run = plan.study.run(arm.folder, seed)
    run.folder.mkdir(parents=True)
    config = config or arm.config(plan.shared, seed)
    run.config_file.write_text(config.to_json())
    hashes = {"initial_weights": f"w{seed}", "first_batches": f"b{seed}", "onednn": "1"}
    run.fingerprint_file.write_text(json.dumps(hashes | fingerprint))


def diagnosis(images: Path) -> dict:
    """A diagnosis with a negative on an image that exists and one on an image that does not."""
    negative = {"box": [4, 4, 20, 20], "confidence": 0.7, "loss": 1.2, "iou": 0.3}
    negative |= {"object": "cat", "stride": 8, "gradient": 0.4}
    worst = [negative | {"image": str(images / name)} for name in ("image_0.png", "gone.png")]
    return make_report()["arms"][0]["diagnosis"] | {"worst_negatives": worst}
