"""The numbers of an evaluation: computed together, as JSON, as CSV and as a text table."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from utils.metrics.calibration import ScoreChoice
from utils.metrics.coco_map import evaluate_coco
from utils.metrics.score_curve import OperatingPoint, ScoreCurve, percent
from utils.metrics.voc_map import VocResult, VocScores, evaluate_voc
from utils.records import Detections, Record
from utils.text import aligned, columns_of


@dataclass(frozen=True, eq=False)
class Metrics:
    """The result of an evaluation.

    Attributes:
        images: number of images.
        voc: AP by VOC's rules at each IoU threshold, with the score curves.
        coco: AP by COCO's rules (`utils.metrics.coco_map.evaluate_coco`); None if not asked for.
        choice: what other images have chosen for the scores; None if nothing is known.
    """

    images: int
    voc: VocResult
    coco: dict[str, float] | None
    choice: ScoreChoice | None = None

    @property
    def map50(self) -> float:
        """VOC mean AP (area under the curve) at IoU 0.5, a fraction of 1; NaN without objects."""
        return self.voc.map

    @property
    def at_chosen_threshold(self) -> OperatingPoint | None:
        """Of all classes together at the threshold that other images have chosen, if one is known.

        The best F1 of the measured images themselves is too high, since they choose its threshold.
        """
        if self.choice is None or self.choice.threshold is None:
            return None
        return self.voc.main.overall.point(self.choice.threshold)

    def to_dict(self) -> dict[str, Any]:
        """The numbers for JSON: fractions of 1, None if undefined."""
        names, main, point = self.voc.class_names, self.voc.main, self.at_chosen_threshold
        num_gt = [curve.num_gt for curve in main.classes]
        best = [asdict(curve.best_f1()) for curve in main.classes]
        by_iou = {f"{iou:g}": _voc(names, scores) for iou, scores in self.voc.by_iou.items()}
        values = {
            "images": self.images,
            "objects": dict(zip(names, num_gt, strict=True)),
            "classes_without_objects": list(self.voc.classes_without_objects),
            "voc": _voc(names, main) | {"iou_threshold": main.iou_threshold, "by_iou": by_iou},
            "best_f1": {
                "overall": asdict(main.overall.best_f1()),
                "classes": dict(zip(names, best, strict=True)),
            },
            "at_val_threshold": point and asdict(point),
            "coco": self.coco,
        }
        return _without_nan(values)

    def to_json(self, **more: Any) -> str:
        """`to_dict` and further entries as strict JSON."""
        values = more | self.to_dict()
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_csv(self) -> str:
        """Precision, recall and F1 per class and overall at score thresholds 0, 0.01, ... 1."""
        names, main = self.voc.class_names, self.voc.main
        lines = ["class,score_threshold,precision,recall,f1"]
        for name, curve in zip((*names, "all classes"), (*main.classes, main.overall), strict=True):
            quoted = '"' + name.replace('"', '""') + '"'
            thresholds = _thresholds(curve)
            for row in zip(thresholds, *curve.at(thresholds), strict=True):
                cells = ("" if math.isnan(value) else f"{value:.6g}" for value in row)
                lines.append(",".join((quoted, *cells)))
        return "\n".join(lines) + "\n"

    def table(self) -> str:
        """The numbers as a text table."""
        names, main = self.voc.class_names, self.voc.main
        head = ("class", "objects", "AP", "AP 11-point", "best F1", "precision", "recall", "score")
        rows: list[tuple[str, ...]] = [head]
        for name, curve in zip(names, main.classes, strict=True):
            ap = (curve.average_precision, curve.average_precision_11_point)
            rows.append((name, str(curve.num_gt), *map(percent, ap), *_best(curve)))
        ap = (main.map, main.map_11_point)
        num_gt = str(main.overall.num_gt)
        rows.append(("all classes", num_gt, *map(percent, ap), *_best(main.overall)))
        text = [f"{self.images} images, IoU {main.iou_threshold:g}", "", *_aligned(rows), ""]
        if (point := self.at_chosen_threshold) is not None:
            text.append(
                f"at score {point.threshold:.3g}, which validation images chose: F1 "
                f"{percent(point.f1)}, precision {percent(point.precision)}, recall "
                f"{percent(point.recall)}"
            )
        left_out = self.voc.classes_without_objects
        if left_out:
            text.append(f"without objects, left out of the means: {', '.join(left_out)}")
        for iou, scores in self.voc.by_iou.items():
            both = f"{percent(scores.map)} (11-point {percent(scores.map_11_point)})"
            text.append(f"VOC mAP at IoU {iou:g}: {both}")
        if self.coco is not None:
            values = (f"{name} {percent(value)}" for name, value in self.coco.items())
            text.append("COCO: " + ", ".join(values))
        return "\n".join(text)


def evaluate(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    iou_thresholds: Sequence[float] = (0.5,),
    coco: bool = False,
    choice: ScoreChoice | None = None,
) -> Metrics:
    """Score detections against annotated images.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.
        iou_thresholds: of VOC's AP; 0.5 is always measured.
        coco: also evaluate by COCO's rules, which takes longer.
        choice: what other images have chosen for the scores of this detector.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    voc = evaluate_voc(detections, records, class_names, iou_thresholds)
    by_coco = evaluate_coco(detections, records, class_names) if coco else None
    return Metrics(len(records), voc, by_coco, choice)


def _voc(names: Sequence[str], scores: VocScores) -> dict[str, Any]:
    return {
        "map": scores.map,
        "map_11_point": scores.map_11_point,
        "ap": dict(zip(names, scores.ap.tolist(), strict=True)),
        "ap_11_point": dict(zip(names, scores.ap_11_point.tolist(), strict=True)),
    }


def _without_nan(values: Any) -> Any:
    if isinstance(values, dict):
        return {key: _without_nan(value) for key, value in values.items()}
    return None if isinstance(values, float) and math.isnan(values) else values


def _thresholds(curve: ScoreCurve) -> np.ndarray:
    """0, 0.01, ... 1; the same number of steps up to the best score if that is above 1."""
    return np.linspace(0.0, max([1.0, *curve.scores[:1]]), 101)


def _best(curve: ScoreCurve) -> tuple[str, ...]:
    best = curve.best_f1()
    score = "-" if math.isnan(best.threshold) else f"{best.threshold:.3g}"
    return (*map(percent, (best.f1, best.precision, best.recall)), score)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = aligned(rows)
    rule = "-" * max(map(columns_of, lines))
    return [lines[0], rule, *lines[1:-1], rule, lines[-1]]
