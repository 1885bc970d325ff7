"""What a verdict is conditional on, in words that begin its sentence."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from utils.text import number_of
from yolo4.compare.options import Measure
from yolo4.config import Config

Entry = Mapping[str, Any]

_LEAST_LEARNED = 0.1  # VOC mAP


def conditions(
    arm: Entry, reference: Entry, shared: Config, split: str, measure: Measure = "best"
) -> list[str]:
    """What the difference between two arms is conditional on: protocol, epochs, mAP, images, runs.

    Args:
        arm: its entry in the report, from `summarize_arm`.
        reference: the reference's entry.
        shared: the settings of all runs.
        split: the measured images.
        measure: the measured weights; validation images chose the best.

    Returns:
        Parts of a sentence. Lost runs are the only ones if none has finished.
    """
    lost = [text for each in (arm, reference) if (text := _lost(each))]
    done = [run for each in (arm, reference) for run in each["runs"] if run["best_epoch"]]
    if not done:
        return lost
    return [
        f"after {number_of(shared.epochs, 'epoch')}{_start(shared)} {_gains(arm, reference)}",
        _convergence(done),
        *_level(arm, reference),
        *(["on images that chose the epoch too"] if (split, measure) == ("val", "best") else []),
        *lost,
    ]


def with_conditions(sentence: str, parts: list[str]) -> str:
    """A verdict's sentence that begins with what it is conditional on."""
    if not parts:
        return sentence
    whole = ", ".join([*parts, sentence[0].lower() + sentence[1:]])
    return whole[0].upper() + whole[1:]


def _start(shared: Config) -> str:
    """The initial weights, if they are not random."""
    if shared.weights is None:
        return ""
    heads = " with fresh heads" if shared.fresh_heads else ""
    return f" from {Path(shared.weights).name}{heads},"


def _gains(arm: Entry, reference: Entry) -> str:
    tuned = [each for each in (arm, reference) if each["tuning"]]
    if tuned:
        trials = " and ".join(f"{each['tuning']['trials']} for {each['name']}" for each in tuned)
        return f"with settings chosen by trials on validation images ({trials})"
    matched = [each["name"] for each in (arm, reference) if each["protocol"] == "matched"]
    if matched:
        return f"with the initial gradient of {' and '.join(matched)} as large as BCE's"
    own = {*arm["overrides"], *reference["overrides"]}
    return "with the gains of the arms' names" if "confidence_gain" in own else "with equal gains"


def _convergence(done: list[Entry]) -> str:
    """Whether the best epoch is the last one in most of the runs."""
    last = sum(run["best_epoch"] == run["last_epoch"] for run in done)
    word = "not converged" if 2 * last > len(done) else "converged"
    return f"{word} (the best epoch is the last in {last} of {number_of(len(done), 'run')})"


def _level(arm: Entry, reference: Entry) -> list[str]:
    """The reference's mean mAP; arms that have learned nothing are easily the same."""
    means = [each["metrics"]["voc_map"]["mean"] for each in (reference, arm)]
    if means[0] is None:
        return []
    level = f"at a VOC mAP of {100 * means[0]:.1f} for {reference['name']}"
    has_learned = any(mean is not None and mean >= _LEAST_LEARNED for mean in means)
    return [level if has_learned else f"{level}, when neither has learned to detect"]


def _lost(arm: Entry) -> str:
    """How many runs of an arm diverged, if any: the others alone speak too well of it."""
    failed = sum(run["status"] == "failed" for run in arm["runs"])
    begun = sum(run["status"] != "missing" for run in arm["runs"])
    if not failed:
        return ""
    return f"without the {failed} of {number_of(begun, 'run')} of {arm['name']} that diverged"
