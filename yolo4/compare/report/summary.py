"""From the files of a study's runs to all numbers of its report."""

import dataclasses
import time
from typing import Any

import numpy as np

from utils.inspection.leaks import describe_leaks
from utils.metrics.voc_map import match_voc
from yolo4.compare.contrast import Contrast
from yolo4.compare.dose_response import dose_responses
from yolo4.compare.judging import Matches, judge, judge_co_outcome
from yolo4.compare.pairing import check_pairing
from yolo4.compare.planning.declaration import changes_of
from yolo4.compare.planning.purpose import purpose
from yolo4.compare.report.arm_summary import summarize_arm
from yolo4.compare.report.figures.common import Report
from yolo4.compare.report.hardware import hardware
from yolo4.compare.report.measured import Measured
from yolo4.compare.running.machine import library_versions
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages
from yolo4.compare.verdict.conditions import conditions, with_conditions
from yolo4.compare.verdict.secondary import secondary_outcomes


def summarize(plan: Plan, images: MeasuredImages, measured: Measured) -> Report:
    """All numbers of the report; pictures are added later.

    Args:
        plan: the study.
        images: what the runs were measured on, all together.
        measured: the finished runs.
    """
    pairing, matches = check_pairing(plan), _matches(measured)
    paired = {name: runs for name, runs in matches.items() if name not in pairing.not_comparable}
    arms = [summarize_arm(plan, arm, images, measured[arm.name]) for arm in plan.arms]
    judged = judge(plan, matches, pairing.not_comparable)
    contrasts = [
        _with_conditions(contrast.to_dict(), arms, plan, images.split) for contrast in judged
    ]
    beside = judge_co_outcome(plan, matches, pairing.not_comparable)
    compared = [contrast for contrast in judged if isinstance(contrast, Contrast)]
    secondary = secondary_outcomes(measured, compared, plan.design, plan.shared.seed)
    return {
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "versions": library_versions(),
        "output": str(plan.study.folder),
        "data": _data(plan, images),
        "leaks": {
            "sentences": describe_leaks(images.leaks, images.counts),
            "images": [dataclasses.asdict(leak) for leak in images.leaks],
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
        "hardware": hardware(plan),
        "measure": plan.measure,
        "purpose": [
            *purpose(plan.arms, images.split, plan.measure),
            *changes_of(plan.declared),
        ],
        "design": dataclasses.asdict(plan.design),
        "verdict": [contrast["sentence"] for contrast in contrasts],
        "dose_response": [line.to_dict() for line in dose_responses(plan, paired)],
        "contrasts": contrasts,
        "co_outcome": [contrast.to_dict() for contrast in beside],
        "secondary": [outcome.to_dict() for outcome in secondary],
        "arms": arms,
    }


def _matches(measured: Measured) -> Matches:
    return {
        name: {
            seed: match_voc(run.detections, run.images.records, run.images.class_names)
            for seed, run in runs.items()
        }
        for name, runs in measured.items()
    }


def _with_conditions(
    contrast: dict[str, Any], arms: list[dict[str, Any]], plan: Plan, split: str
) -> dict[str, Any]:
    """The contrast with a sentence that begins with what it is conditional on."""
    (arm,) = (entry for entry in arms if entry["name"] == contrast["arm"])
    parts = conditions(arm, arms[0], plan.shared, split, plan.measure)
    return contrast | {"sentence": with_conditions(contrast["sentence"], parts)}


def _data(plan: Plan, images: MeasuredImages) -> dict[str, Any]:
    num_gt = np.bincount(
        np.concatenate([record.labels[~record.difficult] for record in images.records]),
        minlength=len(images.class_names),
    )
    return {
        "paths": list(plan.shared.data),
        "split": images.split,
        "images": len(images.records),
        "train_images": images.counts.get("train", 0),
        "val_images": images.counts.get("val", 0),
        "objects": dict(zip(images.class_names, num_gt.tolist(), strict=True)),
    }
