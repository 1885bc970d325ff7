"""Proves that the arms of a comparison differ in nothing but what their names say."""

import dataclasses
from typing import Any

from yolo4.compare.arms import Arm
from yolo4.compare.study import Plan
from yolo4.compare.study_files import StudyRun, read_json

_OF_A_RUN = {"seed", "run_dir"}


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Whether runs with one seed can be compared pair by pair.

    Attributes:
        fingerprints: of each run that began: arm, seed, hashes of its initial weights and of its
            first batches.
        not_comparable: by arm, why its runs are no pairs with the reference's.
    """

    fingerprints: list[dict[str, Any]]
    not_comparable: dict[str, str]


def check_pairing(plan: Plan) -> Pairing:
    """Compare the hashes and the settings of all runs that began with the reference's."""
    fingerprints, reasons = [], {}
    reference = plan.arms[0]
    for arm, seed, run in plan.runs():
        if not run.fingerprint_file.is_file():
            continue
        found = read_json(run.fingerprint_file)
        fingerprints.append({"arm": arm.name, "seed": seed, **found})
        other = plan.study.run(reference.folder, seed)
        if other.fingerprint_file.is_file():
            differing = _differences(arm, reference, run, other)
            if differing:
                reasons[arm.name] = (
                    f"{arm.name} and {reference.name} differ with seed {seed} in {differing}"
                )
    return Pairing(fingerprints, reasons)


def _differences(arm: Arm, reference: Arm, run: StudyRun, other: StudyRun) -> str:
    """What two runs with one seed should have in common and have not."""
    mine, theirs = read_json(run.fingerprint_file), read_json(other.fingerprint_file)
    names = [name.replace("_", " ") for name in theirs if mine[name] != theirs[name]]
    settings = dataclasses.asdict(run.config())
    own = {*arm.overrides, *reference.overrides, *_OF_A_RUN}
    if "matched" in (arm.protocol, reference.protocol):
        own.add("confidence_gain")
    for name, value in dataclasses.asdict(other.config()).items():
        if name not in own and settings[name] != value:
            names.append(name)
    return " and ".join(names)
