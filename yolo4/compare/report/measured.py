"""Measures the finished runs of a study."""

import dataclasses
import functools
from collections.abc import Mapping

from utils.metrics.calibration import ScoreChoice, calibration_curve
from utils.metrics.coco_map import evaluate_coco
from utils.metrics.score_curve import OperatingPoint
from utils.metrics.voc_map import VocResult, evaluate_voc
from utils.records import Detections
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, StudyRun, load_detections


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A finished run and its measurements.

    Attributes:
        run: its folder.
        images: what it was measured on.
        detections: what its measured weights detect in each of these images.
        voc: AP by VOC's rules, with the score curves.
        coco: AP by COCO's rules, by name.
        choice: what validation images have chosen for the scores.
        ece: expected calibration error of the scores.
        scaled_ece: the same after the temperature; NaN without one.
    """

    run: StudyRun
    images: MeasuredImages
    detections: list[Detections]
    voc: VocResult
    coco: dict[str, float]
    choice: ScoreChoice
    ece: float
    scaled_ece: float

    @property
    def point(self) -> OperatingPoint:
        """Precision, recall and F1 of all classes together at validation's threshold, or NaN."""
        if self.choice.threshold is None:
            return OperatingPoint(*[float("nan")] * 4)
        return self.voc.main.overall.point(self.choice.threshold)


Measured = Mapping[str, Mapping[int, MeasuredRun]]


def measure_runs(plan: Plan, images: MeasuredImages) -> Measured:
    """Measure the finished runs.

    Args:
        plan: the study.
        images: what all runs were measured on; with folds, those of a fold's runs are read.

    Returns:
        By arm name and seed.
    """
    measured: dict[str, dict[int, MeasuredRun]] = {arm.name: {} for arm in plan.arms}
    of_file = functools.cache(MeasuredImages.load)
    for arm, seed, run in plan.runs():
        if run.is_done:
            own = of_file(plan.images_file(seed)) if plan.design.folds else images
            measured[arm.name][seed] = _measure(run, own)
    return measured


def _measure(run: StudyRun, images: MeasuredImages) -> MeasuredRun:
    detections = load_detections(run.detections_file, images)
    evaluated = (detections, images.records, images.class_names)
    choice = run.score_choice() or ScoreChoice(None, None)
    scaled = float("nan")
    if choice.temperature is not None:
        scaled = calibration_curve(*evaluated, temperature=choice.temperature).ece
    return MeasuredRun(
        run,
        images,
        detections,
        voc=evaluate_voc(*evaluated),
        coco=evaluate_coco(*evaluated),
        choice=choice,
        ece=calibration_curve(*evaluated).ece,
        scaled_ece=scaled,
    )
