"""The numbers of a report, as one nested value."""

from datetime import datetime
from typing import Any

import numpy as np

from utils.boxes import area
from utils.draw import class_color
from utils.metrics.calibration import calibration_curve
from utils.metrics.coco_map import SIZES, size_of
from utils.metrics.errors.confusion import Confusion
from utils.metrics.errors.gains import ERRORS, error_gains
from utils.metrics.errors.outcomes import Outcomes
from utils.metrics.statistics.bootstrap import bootstrap_ap, mean_over_classes
from utils.metrics.voc_map import match_voc
from yolo4.evaluate.report.evaluation import Evaluation

Summary = dict[str, Any]

RESAMPLES = 1000
_LEVEL = 0.05


def summarize(evaluation: Evaluation, outcomes: Outcomes) -> Summary:
    """Everything that the page shows, without its pictures.

    Args:
        evaluation: what was measured.
        outcomes: of its detections.
    """
    metrics, names = evaluation.metrics, evaluation.class_names
    by_class, of_mean = _intervals(evaluation)
    start, is_from_val = starting_threshold(evaluation)
    thresholds = threshold_grid(outcomes, start)
    objects = [curve.num_gt for curve in metrics.voc.main.classes]
    curve = calibration_curve(evaluation.detections, evaluation.records, names)
    return {
        "name": evaluation.name,
        "where": evaluation.where,
        "caveat": evaluation.caveat,
        "has_images": evaluation.has_images,
        "made": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        "images": metrics.images,
        "objects": sum(objects),
        "map": metrics.map50,
        "interval": of_mean,
        "is_from_val": is_from_val,
        "classes": [
            {
                "label": label,
                "name": name,
                "color": "#{:02x}{:02x}{:02x}".format(*class_color(label)),
                "objects": objects[label],
                "ap": float(metrics.voc.main.ap[label]),
                "interval": by_class[label],
            }
            for label, name in enumerate(names)
        ],
        "gains": {
            name: error_gains(outcomes, size) for name, size in (("all", None), *_numbered(SIZES))
        },
        "errors": list(ERRORS),
        "sizes": _sizes(evaluation, outcomes, thresholds),
        "calibration": {
            "edges": curve.edges.tolist(),
            "confidence": curve.confidence.tolist(),
            "precision": curve.precision.tolist(),
            "counts": curve.counts.tolist(),
            "ece": curve.ece,
        },
        "live": {
            "thresholds": thresholds.tolist(),
            "start": int(np.searchsorted(thresholds, start)),
            "names": list(names),
            "objects": objects,
            "steps": Confusion.of(outcomes).steps(thresholds),
        },
    }


def starting_threshold(evaluation: Evaluation) -> tuple[float, bool]:
    """The score at which the page starts, and whether validation images chose it."""
    choice = evaluation.metrics.choice
    if choice is not None and choice.threshold is not None:
        return choice.threshold, True
    best = evaluation.metrics.voc.main.overall.best_f1().threshold
    return (0.5 if np.isnan(best) else best), False


def threshold_grid(outcomes: Outcomes, start: float) -> np.ndarray:
    """0, 0.01, ... 1 with `start` among them; wider if the scores are."""
    low = min(0.0, float(outcomes.score.min(initial=0)))
    high = max(1.0, float(outcomes.score.max(initial=1)))
    return np.unique(np.append(np.linspace(low, high, 101), start))


def _intervals(evaluation: Evaluation) -> tuple[list[Any], Any]:
    """The 95% intervals over images, of each class's AP and of their mean: the percentiles.

    None for a class without objects.
    """
    matches = match_voc(evaluation.detections, evaluation.records, evaluation.class_names)
    ap = bootstrap_ap([matches], RESAMPLES, np.random.default_rng(0))[0]
    return [interval(row) for row in ap], interval(mean_over_classes(ap))


def interval(drawn: np.ndarray) -> tuple[float, float] | None:
    """The 95% percentile interval of bootstrap resamples that are not NaN; None without any."""
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return None
    low, high = np.quantile(drawn, [_LEVEL / 2, 1 - _LEVEL / 2]).tolist()
    return low, high


def _sizes(evaluation: Evaluation, outcomes: Outcomes, thresholds: np.ndarray) -> list[Any]:
    """Of each size: its objects, how many are found at each threshold, and COCO's AP."""
    sizes, coco = size_of(area(outcomes.object_boxes)), evaluation.metrics.coco or {}
    entries = []
    for name, size in _numbered(SIZES):
        of_size = (sizes == size) & ~outcomes.difficult
        scores = np.sort(outcomes.found[of_size])
        found = len(scores) - np.searchsorted(scores, thresholds)
        entries.append(
            {
                "name": name,
                "objects": len(scores),
                "ap": coco.get(f"AP_{name}"),
                "found": found.tolist(),
            }
        )
    return entries


def _numbered(names: tuple[str, ...]) -> list[tuple[str, int]]:
    return [(name, i) for i, name in enumerate(names)]
