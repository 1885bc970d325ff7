"""Checks that the arms of a comparison differ only in what their names say."""

import dataclasses
from typing import Any

from yolo4.compare.arms import Arm
from yolo4.compare.study import Plan
from yolo4.compare.study_files import StudyRun, read_object
from yolo4.compare.tuning import ranges_of
from yolo4.config import differing_settings


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Whether runs with the same seed can be compared pair by pair.

    Attributes:
        fingerprints: of each run that has started: arm, seed, hashes of its initial weights and of
            its first batches.
        not_comparable: by arm, why its runs cannot be paired with the reference's.
    """

    fingerprints: list[dict[str, Any]]
    not_comparable: dict[str, str]


def check_pairing(plan: Plan) -> Pairing:
    """Compare hashes and settings of all runs that have started with those of the reference."""
    fingerprints, reasons = [], {}
    reference = plan.arms[0]
    for arm, seed, run in plan.runs():
        if not run.config_file.is_file():
            continue
        if not run.fingerprint_file.is_file():
            reasons[arm.name] = f"{arm.name} has no {run.fingerprint_file.name} with seed {seed}"
            continue
        fingerprints.append({"arm": arm.name, "seed": seed, **_fingerprint(run)})
        other = plan.study.run(reference.folder, seed)
        if other.fingerprint_file.is_file():
            differing = _differences(arm, reference, run, other)
            if differing:
                reasons[arm.name] = (
                    f"{arm.name} and {reference.name} differ with seed {seed} in {differing}"
                )
    return Pairing(fingerprints, reasons)


def _fingerprint(run: StudyRun) -> dict[str, Any]:
    # Older versions trained on one device, and did not say so.
    hashes = read_object(run.fingerprint_file, "initial_weights", "first_batches")
    return {"devices": "1", **hashes}


def _differences(arm: Arm, reference: Arm, run: StudyRun, other: StudyRun) -> str:
    """What differs between two runs with the same seed although it should not."""
    mine, theirs = _fingerprint(run), _fingerprint(other)
    names = [
        name.replace("_", " ") for name in {**theirs, **mine} if mine.get(name) != theirs.get(name)
    ]
    of_arms = {*arm.overrides, *reference.overrides}
    if "matched" in (arm.protocol, reference.protocol):
        of_arms.add("confidence_gain")
    for each in (arm, reference):
        of_arms |= ranges_of(each).keys() if each.protocol == "tuned" else set()
    differing = differing_settings(other.config(), run.config())
    return " and ".join([*names, *(name for name in differing if name not in of_arms)])
