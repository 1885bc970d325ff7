"""The numbers of one arm in the report: its scores, its runs, its curves and its loss."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from utils.files.reading import reading
from utils.metrics.calibration import calibration_curve
from utils.metrics.coco_map import COCO_METRICS
from utils.metrics.error_types import error_types
from utils.metrics.history import best_epoch, read_history
from utils.metrics.score_curve import ScoreCurve, mean_measured
from yolo4.compare.arms import Arm
from yolo4.compare.loss.stored import read_diagnosis
from yolo4.compare.report.measured import MeasuredRun
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, StudyRun
from yolo4.compare.tuning import TRIAL_STATES, best_trial, ranges_of, trials_of

_GRID = np.linspace(0, 1, 101)


def summarize_arm(
    plan: Plan, arm: Arm, images: MeasuredImages, runs: Mapping[int, MeasuredRun]
) -> dict[str, Any]:
    """The arm's entry in the report.

    Args:
        plan: the study.
        arm: the arm.
        images: what the runs were measured on, all together.
        runs: the arm's finished runs by seed.
    """
    folders = {seed: plan.study.run(arm.folder, seed) for seed in plan.seeds}
    begun = {seed: run for seed, run in folders.items() if run.config_file.is_file()}
    train_images = images.counts.get("train", 0)
    curves = [run.voc.main.overall for run in runs.values()]
    return {
        "name": arm.name,
        "overrides": dict(arm.overrides),
        "protocol": arm.protocol,
        "is_control": arm.is_control,
        "tuning": _tuning(plan, arm),
        "confidence_gain": {str(s): run.config().confidence_gain for s, run in begun.items()},
        "runs": [_run(seed, run, train_images) for seed, run in folders.items()],
        "metrics": {name: mean_and_sd(values) for name, values in _metrics(runs).items()},
        "ap": {
            name: mean_and_sd({s: float(run.voc.main.ap[label]) for s, run in runs.items()})
            for label, name in enumerate(images.class_names)
        },
        "validation": [_validation(s, f) for s, f in folders.items() if f.history_file.is_file()],
        "precision_recall": _precision_recall(curves),
        "thresholds": _thresholds(curves),
        "reliability": _calibration(list(runs.values())),
        "errors": _errors(list(runs.values())),
        **_diagnosis([run.run for run in runs.values()]),
    }


def _tuning(plan: Plan, arm: Arm) -> dict[str, Any] | None:
    """The trials of a tuned arm, and what they have chosen."""
    if arm.protocol != "tuned":
        return None
    trials = trials_of(plan.study, arm, plan.trials)
    best = best_trial(trials)
    states = {state: sum(trial.state == state for trial in trials) for state in TRIAL_STATES}
    settings, val_map = (dict(best.settings), best.val_map) if best else ({}, None)
    ranges = {name: dataclasses.asdict(each) for name, each in ranges_of(arm).items()}
    chosen = {"settings": settings, "val_map": val_map}
    return {"trials": len(trials), **states, **chosen, "ranges": ranges}


def mean_and_sd(values: Mapping[int, float]) -> dict[str, Any]:
    """Mean and sample standard deviation over the seeds, and each seed's value; None for NaN."""
    known = [value for value in values.values() if not math.isnan(value)]
    return {
        "mean": float(np.mean(known)) if known else None,
        "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None,
        "values": {str(s): None if math.isnan(v) else v for s, v in values.items()},
    }


def _metrics(runs: Mapping[int, MeasuredRun]) -> dict[str, dict[int, float]]:
    """Each score by seed."""
    points = {seed: run.point for seed, run in runs.items()}
    return {
        "voc_map": {s: run.voc.map for s, run in runs.items()},
        **{name: {s: run.coco[name] for s, run in runs.items()} for name in COCO_METRICS},
        "ece": {s: run.ece for s, run in runs.items()},
        "scaled_ece": {s: run.scaled_ece for s, run in runs.items()},
        "f1": {s: point.f1 for s, point in points.items()},
        "threshold": {s: point.threshold for s, point in points.items()},
    }


def _run(seed: int, run: StudyRun, train_images: int) -> dict[str, Any]:
    """Status and course of a run; its minutes are those of the training steps."""
    status = "done" if run.is_done else "failed" if run.failure else "missing"
    row = {"seed": seed, "status": status, "reason": run.failure, "folder": str(run.folder)}
    row |= {"best_epoch": None, "last_epoch": None, "minutes": None, "images_per_second": None}
    if run.is_done:
        history = read_history(run.history_file)
        with reading(run.history_file, "the history of a training"):
            speeds = history["images_per_second"]
            row |= {
                "best_epoch": best_epoch(history),
                "last_epoch": int(history["epoch"][~np.isnan(history["map50"])].max(initial=0)),
                "minutes": float((train_images / speeds).sum() / 60),
                "images_per_second": float(np.median(speeds)),
            }
    return row


def _validation(seed: int, run: StudyRun) -> dict[str, Any]:
    history = read_history(run.history_file)
    with reading(run.history_file, "the history of a training"):
        measured = ~np.isnan(history["map50"])
        epochs, scores = (history[name][measured].tolist() for name in ("epoch", "map50"))
    return {"seed": seed, "epochs": [int(epoch) for epoch in epochs], "map50": scores}


def _precision_recall(curves: Sequence[ScoreCurve]) -> dict[str, Any] | None:
    """The highest precision at each recall or a higher one, mean over the runs."""
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
        table[name] = _none_for_nan([mean_measured(row) for row in values])
    return table


def _calibration(runs: Sequence[MeasuredRun]) -> dict[str, Any] | None:
    """The curve of all runs' detections together; its ECE is the mean of theirs."""
    if not runs:
        return None
    detections = [found for run in runs for found in run.detections]
    records = [record for run in runs for record in run.images.records]
    curve = calibration_curve(detections, records, runs[0].images.class_names)
    arrays = {f.name: getattr(curve, f.name) for f in dataclasses.fields(curve)}
    lists = {n: _none_for_nan(v.tolist()) for n, v in arrays.items() if isinstance(v, np.ndarray)}
    (ece,) = _none_for_nan([mean_measured(np.array([run.ece for run in runs]))])
    return lists | {"ece": ece}


def _none_for_nan(values: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in values]


def _errors(runs: Sequence[MeasuredRun]) -> dict[str, float] | None:
    """Mean number of errors of each type at the threshold that validation images chose."""
    counts = [
        error_types(
            run.detections, run.images.records, run.images.class_names, run.choice.threshold
        )
        for run in runs
        if run.choice.threshold is not None
    ]
    return {k: float(np.mean([c[k] for c in counts])) for k in counts[0]} if counts else None


def _diagnosis(runs: Sequence[StudyRun]) -> dict[str, Any]:
    """The mean of the runs' diagnoses; the worst negatives are those of the first run."""
    diagnoses = [read_diagnosis(run.diagnosis_file) for run in runs]
    if not diagnoses:
        return {"diagnosis": None, "worst_negatives": []}
    worst = [diagnosis.pop("worst_negatives") for diagnosis in diagnoses]
    epochs = [{entry["epoch"]: entry for entry in each.pop("epochs")} for each in diagnoses]
    common = sorted(set.intersection(*map(set, epochs)))
    over_time = [_mean_of([of_run[epoch] for of_run in epochs]) for epoch in common]
    return {"diagnosis": {"epochs": over_time, **_mean_of(diagnoses)}, "worst_negatives": worst[0]}


def _mean_of(values: Sequence[Any]) -> Any:
    """Mean over equal structures, number by number; a list is as short as the shortest."""
    first = values[0]
    if isinstance(first, dict):
        return {key: _mean_of([value[key] for value in values]) for key in first}
    if isinstance(first, list):
        return [_mean_of(parts) for parts in zip(*values, strict=False)]
    return first if all(value == first for value in values) else float(np.mean(values))
