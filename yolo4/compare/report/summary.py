"""From what the runs of a study left behind to all numbers of its report."""

import dataclasses
import math
import platform
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.installed import module_version
from utils.metrics.calibration import reliability
from utils.metrics.error_types import error_types
from utils.metrics.history import read_history
from utils.metrics.score_curve import ScoreCurve
from utils.metrics.summary import Metrics, evaluate
from utils.metrics.voc_map import match_voc
from utils.records import Detections
from yolo4.compare.arms import Arm
from yolo4.compare.conclusion import Contrast, conclude
from yolo4.compare.pairing import check_pairing
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, StudyRun, load_detections, read_json

_GRID = np.linspace(0, 1, 101)
_COCO = ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large")


@dataclasses.dataclass(frozen=True, eq=False)
class MeasuredRun:
    """A finished run with what was measured of it.

    Attributes:
        run: its folder.
        found: what its best weights found in each test image.
        metrics: of that.
        ece: expected calibration error of the scores.
    """

    run: StudyRun
    found: list[Detections]
    metrics: Metrics
    ece: float


Measured = Mapping[str, Mapping[int, MeasuredRun]]


def measure_runs(plan: Plan, images: MeasuredImages) -> Measured:
    """Measure the finished runs: by arm name and seed."""
    measured: dict[str, dict[int, MeasuredRun]] = {arm.name: {} for arm in plan.arms}
    for arm, seed, run in plan.runs():
        if run.is_done:
            found = load_detections(run.detections_file)
            metrics = evaluate(found, images.records, images.class_names, (0.5, 0.75), coco=True)
            ece = reliability(found, images.records, images.class_names).ece
            measured[arm.name][seed] = MeasuredRun(run, found, metrics, ece)
    return measured


def summarize(plan: Plan, images: MeasuredImages, measured: Measured) -> dict[str, Any]:
    """All numbers of the report; pictures are added later.

    Args:
        plan: the study.
        images: what the runs were measured on.
        measured: the finished runs.
    """
    pairing = check_pairing(plan)
    contrasts = _contrasts(plan, images, measured, pairing.not_comparable)
    objects = np.bincount(
        np.concatenate([r.labels[~r.difficult] for r in images.records]),
        minlength=len(images.class_names),
    )
    return {
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "versions": _versions(),
        "output": str(plan.study.folder),
        "data": {
            "paths": list(plan.shared.data),
            "split": images.split,
            "images": len(images.records),
            "train_images": images.counts.get("train", 0),
            "val_images": images.counts.get("val", 0),
            "objects": dict(zip(images.class_names, objects.tolist(), strict=True)),
        },
        "settings": dataclasses.asdict(plan.shared),
        "seeds": list(plan.seeds),
        "reference": plan.arms[0].name,
        "runs_wanted": len(plan.runs()),
        "runs_done": sum(map(len, measured.values())),
        "resamples": plan.resamples,
        "pairing": {
            "paired": not pairing.not_comparable,
            "reason": "; ".join(pairing.not_comparable.values()) or None,
            "fingerprints": pairing.fingerprints,
        },
        "verdict": [contrast.sentence for contrast in contrasts],
        "contrasts": [dataclasses.asdict(contrast) for contrast in contrasts],
        "arms": [_arm(plan, arm, images, measured[arm.name]) for arm in plan.arms],
    }


def _contrasts(
    plan: Plan, images: MeasuredImages, measured: Measured, not_comparable: Mapping[str, str]
) -> list[Contrast]:
    matches = {
        name: {
            seed: match_voc(run.found, images.records, images.class_names)
            for seed, run in runs.items()
        }
        for name, runs in measured.items()
    }
    seed = plan.shared.seed
    return conclude(matches, plan.arms[0].name, plan.resamples, seed, not_comparable)


def _versions() -> dict[str, str]:
    modules = {"tensorflow": "tensorflow", "keras": "keras", "numpy": "numpy", "opencv": "cv2"}
    versions = {name: module_version(module) for name, module in modules.items()}
    return {"python": platform.python_version(), **versions}


def _arm(
    plan: Plan, arm: Arm, images: MeasuredImages, runs: Mapping[int, MeasuredRun]
) -> dict[str, Any]:
    best = {seed: run.metrics.voc.main.overall.best_f1() for seed, run in runs.items()}
    metrics = {
        "voc_map": {seed: run.metrics.map50 for seed, run in runs.items()},
        **{name: {seed: run.metrics.coco[name] for seed, run in runs.items()} for name in _COCO},
        "ece": {seed: run.ece for seed, run in runs.items()},
        "best_f1": {seed: point.f1 for seed, point in best.items()},
        "best_threshold": {seed: point.threshold for seed, point in best.items()},
    }
    ap = {
        name: {seed: float(run.metrics.voc.main.ap[label]) for seed, run in runs.items()}
        for label, name in enumerate(images.class_names)
    }
    folders = {seed: plan.study.run(arm.folder, seed) for seed in plan.seeds}
    begun = {s: f for s, f in folders.items() if f.config_file.is_file()}
    return {
        "name": arm.name,
        "overrides": dict(arm.overrides),
        "protocol": arm.protocol,
        "confidence_gain": {str(s): f.config().confidence_gain for s, f in begun.items()},
        "runs": [_run(s, f, images.counts.get("train", 0)) for s, f in folders.items()],
        "metrics": {name: spread(values) for name, values in metrics.items()},
        "ap": {name: spread(values) for name, values in ap.items()},
        "validation": [_validation(s, f) for s, f in folders.items() if f.history_file.is_file()],
        "precision_recall": _precision_recall([r.metrics.voc.main.overall for r in runs.values()]),
        "thresholds": _thresholds([r.metrics.voc.main.overall for r in runs.values()]),
        "reliability": _reliability(images, list(runs.values())),
        "errors": _errors(images, runs),
        **_diagnosis([run.run for run in runs.values()]),
    }


def spread(values: Mapping[int, float]) -> dict[str, Any]:
    """Mean and sample standard deviation over the seeds, and each seed's value; None for nan."""
    known = [value for value in values.values() if not math.isnan(value)]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "values": {str(s): None if math.isnan(v) else v for s, v in values.items()},
    }


def _run(seed: int, run: StudyRun, images: int) -> dict[str, Any]:
    """What became of a run; its minutes are those of the training steps."""
    status = "done" if run.is_done else "failed" if run.failure else "missing"
    row = {"seed": seed, "status": status, "reason": run.failure, "folder": str(run.folder)}
    row |= {"best_epoch": None, "minutes": None, "images_per_second": None}
    if run.is_done:
        history = read_history(run.history_file)
        best = int(history["epoch"][np.nanargmax(history["map50"])])
        speeds = history["images_per_second"]
        row |= {"best_epoch": best, "images_per_second": float(np.median(speeds))}
        row["minutes"] = float((images / speeds).sum() / 60)
    return row


def _validation(seed: int, run: StudyRun) -> dict[str, Any]:
    history = read_history(run.history_file)
    measured = ~np.isnan(history["map50"])
    epochs, scores = (history[name][measured].tolist() for name in ("epoch", "map50"))
    return {"seed": seed, "epochs": [int(epoch) for epoch in epochs], "map50": scores}


def _precision_recall(curves: Sequence[ScoreCurve]) -> dict[str, Any] | None:
    """Precision that can be had at each recall, mean over the runs."""
    if not curves:
        return None
    rows = []
    for curve in curves:
        reached = np.searchsorted(curve.recall, _GRID)
        rows.append(np.append(curve.envelope, 0.0)[reached])
    return {"recall": _GRID.tolist(), "precision": np.mean(rows, axis=0).tolist()}


def _thresholds(curves: Sequence[ScoreCurve]) -> dict[str, Any] | None:
    """Precision, recall and F1 against the score threshold, mean over the runs."""
    if not curves:
        return None
    stacked = np.array([curve.at(_GRID) for curve in curves])
    table = {"threshold": _GRID.tolist()}
    for name, values in zip(("precision", "recall", "f1"), stacked.transpose(1, 2, 0), strict=True):
        table[name] = [_mean(row) for row in values]
    return table


def _mean(values: np.ndarray) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def _reliability(images: MeasuredImages, runs: Sequence[MeasuredRun]) -> dict[str, Any] | None:
    """Of the detections of all runs together; the error is the mean of theirs."""
    if not runs:
        return None
    found = [detections for run in runs for detections in run.found]
    together = reliability(found, images.records * len(runs), images.class_names)
    table = {f.name: getattr(together, f.name) for f in dataclasses.fields(together)}
    lists = {n: v.tolist() for n, v in table.items() if isinstance(v, np.ndarray)}
    lists = {n: [None if math.isnan(x) else x for x in v] for n, v in lists.items()}
    return lists | {"ece": float(np.mean([run.ece for run in runs]))}


def _errors(images: MeasuredImages, runs: Mapping[int, MeasuredRun]) -> dict[str, float] | None:
    """Mean number of each kind of error at each run's best threshold."""
    counts = []
    for run in runs.values():
        threshold = run.metrics.voc.main.overall.best_f1().threshold
        if math.isnan(threshold):
            threshold = 1.0
        counts.append(error_types(run.found, images.records, images.class_names, threshold))
    return {k: float(np.mean([c[k] for c in counts])) for k in counts[0]} if counts else None


def _diagnosis(runs: Sequence[StudyRun]) -> dict[str, Any]:
    """The diagnoses of the runs, averaged; single negatives are those of the first run."""
    stored = [read_json(run.diagnosis_file) for run in runs]
    if not stored:
        return {"diagnosis": None, "worst_negatives": []}
    worst = [diagnosis.pop("worst_negatives") for diagnosis in stored]
    epochs = [{entry["epoch"]: entry for entry in diagnosis.pop("epochs")} for diagnosis in stored]
    common = sorted(set.intersection(*map(set, epochs)))
    over_time = [_mean_of([of_run[epoch] for of_run in epochs]) for epoch in common]
    return {"diagnosis": {"epochs": over_time, **_mean_of(stored)}, "worst_negatives": worst[0]}


def _mean_of(values: Sequence[Any]) -> Any:
    """Element by element over equal structures of numbers; an empty list is empty for all."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _mean_of([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [_mean_of(parts) for parts in zip(*values, strict=False)]
    return first if all(value == first for value in values) else float(np.mean(values))
