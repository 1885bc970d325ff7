"""How mAP changes with the focusing of the focal loss: its regression on gamma, over arms."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from yolo4.compare.arms import Arm
from yolo4.compare.contrast import LEVEL, Interval
from yolo4.compare.study import Plan
from yolo4.compare.verdict.estimate import Matches, count_images, estimate, resampled_maps

_LEAST_GAMMAS = 3


@dataclass(frozen=True)
class DoseResponse:
    """The regression of mAP on gamma, over arms that differ in `focal_gamma` alone.

    Attributes:
        arms: the names of these arms.
        gammas: of each.
        seeds: those that all of them have finished, at least two.
        coefficient: change of mAP, a fraction, per unit of gamma; the mean over the seeds.
        interval: 95% interval of it over images and seeds, for this number of seeds alone: it is
            not corrected for looks.
        images: number of test images.
    """

    arms: tuple[str, ...]
    gammas: tuple[float, ...]
    seeds: tuple[int, ...]
    coefficient: float
    interval: Interval
    images: int

    @property
    def sentence(self) -> str:
        """The result in plain words."""
        low, high = (100 * limit for limit in self.interval)
        rises = "may rise or fall"
        if low > 0 or high < 0:
            rises = "rises" if low > 0 else "falls"
        return (
            f"mAP {rises} with gamma: {100 * self.coefficient:+.1f} points per unit of gamma (95% "
            f"interval {low:+.1f} to {high:+.1f}; gamma {', '.join(f'{g:g}' for g in self.gammas)};"
            f" {len(self.seeds)} seeds, {self.images} images)."
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"sentence": self.sentence}


def dose_responses(plan: Plan, matches: Matches) -> list[DoseResponse]:
    """One coefficient for each group of at least three arms that differ in `focal_gamma` alone.

    Args:
        plan: the study.
        matches: by arm and seed, the finished runs' matched detections.
    """
    found = []
    for arms in _groups(plan):
        used = {arm.name: matches.get(arm.name, {}) for arm in arms}
        seeds = sorted(set.intersection(*(set(runs) for runs in used.values())))
        if len(seeds) > 1:
            found.append(_regress(plan, arms, used, seeds))
    return found


def _groups(plan: Plan) -> list[list[Arm]]:
    """Arms of equal settings but for gamma, if there are enough gammas, by ascending gamma."""
    groups: dict[str, list[Arm]] = {}
    for arm in plan.arms:
        if arm.overrides["confidence_loss"] in ("focal", "focal_star") and arm.protocol != "tuned":
            others = {k: v for k, v in sorted(arm.overrides.items()) if k != "focal_gamma"}
            groups.setdefault(f"{arm.protocol} {others} {arm.is_control}", []).append(arm)
    sorted_groups = (sorted(arms, key=lambda arm: _gamma(plan, arm)) for arms in groups.values())
    return [arms for arms in sorted_groups if len(arms) >= _LEAST_GAMMAS]


def _gamma(plan: Plan, arm: Arm) -> float:
    return float(arm.overrides.get("focal_gamma", plan.shared.focal_gamma))


def _regress(plan: Plan, arms: Sequence[Arm], used: Matches, seeds: Sequence[int]) -> DoseResponse:
    """Each seed's coefficient is a weighted sum of the arms' mAPs, so it has noise as they have."""
    folds = plan.design.folds
    maps = resampled_maps(used, folds, plan.resamples, plan.shared.seed)
    gammas = np.array([_gamma(plan, arm) for arm in arms])
    weights = least_squares_weights(gammas)
    responses = {seed: np.array([maps[arm.name][seed] for arm in arms]) for seed in seeds}
    coefficients = {seed: weights @ response for seed, response in responses.items()}
    zeros = {seed: np.zeros_like(each) for seed, each in coefficients.items()}
    images = count_images({seed: used[arms[0].name][seed] for seed in seeds}, folds)
    result = estimate(coefficients, zeros, seeds, images, folds)
    assert result.variances is not None, "there are at least two seeds"
    half = result.variances.half_width(LEVEL)
    return DoseResponse(
        tuple(arm.name for arm in arms),
        tuple(gammas.tolist()),
        tuple(seeds),
        result.mean,
        (result.mean - half, result.mean + half),
        images,
    )


def least_squares_weights(doses: np.ndarray) -> np.ndarray:
    """The weights whose sum with the responses is the least-squares regression coefficient."""
    centered = doses - doses.mean()
    return centered / (centered**2).sum()
