"""The tuned protocol: each arm gets the same number of trials, measured on validation images.

The settings that do best there are trained again with the seeds of the study.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import utils.files.reading as files
from utils.errors import UserError, is_installed
from utils.printable import brief
from yolo4.compare.arms import Arm
from yolo4.compare.study_files import Study, read_object, write_json
from yolo4.options import flag

TrialState = Literal["complete", "pruned", "failed"]
TRIAL_STATES: tuple[TrialState, ...] = get_args(TrialState)


@dataclasses.dataclass(frozen=True)
class Range:
    """Where a setting is searched.

    Attributes:
        low: smallest value; a factor of the setting's value if `relative`.
        high: largest value.
        relative: the search is logarithmic, around the setting's value.
    """

    low: float
    high: float
    relative: bool = False


_OF_EVERY_ARM = {
    "learning_rate": Range(1 / 4, 4, relative=True),
    "confidence_gain": Range(1 / 8, 8, relative=True),
}
_OF_LOSSES = {
    "focal": {"focal_alpha": Range(0.05, 0.95), "focal_gamma": Range(0.25, 4)},
    "balanced_bce": {"focal_alpha": Range(0.05, 0.95)},
    "focal_star": {"focal_gamma": Range(0.25, 4)},
}


def ranges_of(arm: Arm) -> Mapping[str, Range]:
    """The settings that an arm's trials search, and where."""
    return _OF_EVERY_ARM | _OF_LOSSES.get(str(arm.overrides["confidence_loss"]), {})


def require_optuna() -> None:
    """Refuse to begin a study that cannot be tuned.

    Raises:
        UserError: Optuna is not installed.
    """
    if not is_installed("optuna"):
        raise UserError(
            "--protocol tuned: optuna is not installed: pip install -r requirements-tuning.txt"
        )


@dataclasses.dataclass(frozen=True)
class Trial:
    """A training with certain settings, measured on validation images.

    Attributes:
        settings: by name.
        state: "complete", "pruned" if it fell behind the others, or "failed" if it diverged.
        reports: the highest validation mAP so far, by the epoch after which it was measured.
    """

    settings: Mapping[str, float]
    state: TrialState
    reports: Mapping[int, float]

    @property
    def val_map(self) -> float:
        """The highest validation mAP; 0 without a measurement."""
        return max(self.reports.values(), default=0.0)

    def save(self, path: Path) -> None:
        """Write as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: Path) -> "Trial":
        """Read what `save` has written.

        Raises:
            UserError: the file is missing or holds something else.
        """
        stored: dict[str, Any] = read_object(path, "settings", "state", "reports")
        with files.reading(path, "a trial of a tuned arm"):
            settings = {str(name): float(value) for name, value in stored["settings"].items()}
            reports = {int(epoch): float(value) for epoch, value in stored["reports"].items()}
            state = stored["state"]
            if state not in TRIAL_STATES:
                raise ValueError(f"the state {brief(state)}")
            return cls(settings, state, reports)


def trials_of(study: Study, arm: Arm, count: int) -> list[Trial]:
    """The first finished trials of an arm, at most so many."""
    numbered = (study.trial_file(arm.folder, number) for number in range(count))
    return [Trial.load(file) for file in itertools.takewhile(Path.is_file, numbered)]


def best_trial(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial with the highest validation mAP, the first one if several have it."""
    complete = [trial for trial in trials if trial.state == "complete"]
    return max(complete, key=lambda trial: trial.val_map, default=None)


def chosen_trial(study: Study, arm: Arm, count: int) -> Trial:
    """The best of all trials of an arm.

    Raises:
        UserError: not all trials have finished, or none of them without diverging.
    """
    trials = trials_of(study, arm, count)
    if len(trials) < count:
        raise UserError(
            f"{arm.name}: {len(trials)} of its {count} trials have finished; the same command goes "
            "on with the others"
        )
    best = best_trial(trials)
    if best is None:
        raise UserError(f"{arm.name}: none of its {count} trials came to its end")
    return best


def refuse_own_settings(arm: Arm) -> None:
    """Refuse a tuned arm whose name sets what its trials choose.

    Raises:
        UserError: names the setting.
    """
    own = [name for name in ranges_of(arm) if name in arm.overrides]
    if own:
        raise UserError(
            f"--arms {arm.name}: the trials of a tuned arm choose {flag(own[0])}; do not set it"
        )
