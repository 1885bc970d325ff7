"""Measures the finished runs of a study on the test images."""

import dataclasses
from collections.abc import Mapping

from utils.metrics.calibration import calibration_curve
from utils.metrics.coco_map import evaluate_coco
from utils.metrics.voc_map import VocResult, evaluate_voc
from utils.records import Detections
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, StudyRun, load_detections


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A finished run and its measurements.

    Attributes:
        run: its folder.
        detections: what its best weights detect in each test image.
        voc: AP by VOC's rules, with the score curves.
        coco: AP by COCO's rules, by name.
        ece: expected calibration error of their scores.
    """

    run: StudyRun
    detections: list[Detections]
    voc: VocResult
    coco: dict[str, float]
    ece: float


Measured = Mapping[str, Mapping[int, MeasuredRun]]


def measure_runs(plan: Plan, images: MeasuredImages) -> Measured:
    """Measure the finished runs; the result is by arm name and seed."""
    measured: dict[str, dict[int, MeasuredRun]] = {arm.name: {} for arm in plan.arms}
    for arm, seed, run in plan.runs():
        if run.is_done:
            detections = load_detections(run.detections_file)
            evaluated = (detections, images.records, images.class_names)
            measured[arm.name][seed] = MeasuredRun(
                run,
                detections,
                voc=evaluate_voc(*evaluated),
                coco=evaluate_coco(*evaluated),
                ece=calibration_curve(*evaluated).ece,
            )
    return measured
