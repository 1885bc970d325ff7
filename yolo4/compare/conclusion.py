"""From the matched detections of all runs to contrasts with the reference.

A study is judged after planned numbers of seeds. At each look, an arm is practically the same as
the reference if the test of sameness has p below the level, else better or worse if the test of a
difference has; both p values are corrected for the looks and for the number of arms. A run that
diverged counts as ended: the look comes with fewer seeds than planned.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from yolo4.compare.contrast import PRIMARY, Contrast, Look, NotComparable, Outcome
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import (
    Estimate,
    Maps,
    Matches,
    common_seeds,
    count_images,
    estimate,
    resampled_maps,
)
from yolo4.compare.verdict.looks import correct_for_arms, look_at
from yolo4.compare.verdict.sentence import describe


def conclude(
    matches: Matches,
    reference: str,
    design: Design,
    resamples: int,
    seed: int,
    not_comparable: Mapping[str, str] = {},
    lost: Mapping[str, Collection[int]] = {},
    outcome: Outcome = PRIMARY,
) -> list[Contrast | NotComparable]:
    """Compare every arm with the reference.

    Args:
        matches: by arm and seed, the finished runs' matched detections: on the same test images,
            or, with folds, on those of the fold `seed % design.folds`.
        reference: the arm that the others are compared with.
        design: what the study declared.
        resamples: number of bootstrap resamples, the same for all runs; at least 2.
        seed: seed of the bootstrap.
        not_comparable: by arm, why its runs cannot be paired with the reference's.
        lost: by arm, the seeds whose runs have diverged.
        outcome: what the mean AP of `matches` is.

    Returns:
        One per arm except the reference, in the order of `matches`.

    Raises:
        ValueError: runs that should be were not measured on the same images.
    """
    arms = [arm for arm in dict.fromkeys([*matches, *not_comparable]) if arm != reference]
    result: dict[str, Contrast | NotComparable] = {}
    for arm in arms:
        reason = not_comparable.get(arm)
        reason = reason or _obstacle(matches.get(arm, {}), matches.get(reference, {}))
        if reason:
            result[arm] = NotComparable(arm, reference, reason)
    compared = [arm for arm in arms if arm not in result]
    if not compared:
        return list(result.values())
    used = {arm: matches[arm] for arm in (reference, *compared)}
    maps = resampled_maps(used, design.folds, resamples, seed)
    images = count_images(matches[reference], design.folds)
    courses = {
        arm: _Course.of(maps[arm], maps[reference], {*lost.get(arm, ()), *lost.get(reference, ())})
        for arm in compared
    }
    result |= _judge(maps, reference, design, images, courses, outcome)
    return [result[arm] for arm in arms]


def _obstacle(runs: Mapping[int, Any], reference_runs: Mapping[int, Any]) -> str | None:
    """Why these two arms cannot be compared, or None."""
    if not runs.keys() & reference_runs.keys():
        return "there is no seed that both finished"
    for run in reference_runs.values():
        if np.count_nonzero(run.num_gt.any(axis=1)) < 2:
            return "fewer than two test images have objects"
    return None


@dataclass(frozen=True)
class _Course:
    """How far an arm has come.

    Attributes:
        seeds: those that it and the reference have finished, ascending.
        ended: those of which one of the two is lost too.
    """

    seeds: tuple[int, ...]
    ended: tuple[int, ...]

    @classmethod
    def of(
        cls, mine: Mapping[int, Any], theirs: Mapping[int, Any], lost: Collection[int]
    ) -> "_Course":
        """From the finished runs of both and the seeds of lost ones."""
        seeds = common_seeds(mine, theirs)
        return cls(seeds, tuple(sorted({*seeds, *lost})))

    def at(self, planned: int) -> tuple[int, ...]:
        """The seeds that count at a planned look; if it is to come, at most so many."""
        ended = self.ended[:planned]
        return tuple(seed for seed in self.seeds if seed in ended)

    def has_reached(self, planned: int) -> bool:
        """Whether there is a look after so many seeds."""
        return len(self.ended) >= planned and len(self.at(planned)) > 1

    def design(self, design: Design) -> Design:
        """The design with the numbers of seeds that its looks have, or will have."""
        lost = {
            planned: len(self.ended[:planned]) - len(self.at(planned)) for planned in design.looks
        }
        looks = tuple(planned - lost[planned] for planned in design.looks)
        return replace(design, looks=tuple(seeds for seeds in looks if seeds > 1))


def _judge(
    maps: Maps,
    reference: str,
    design: Design,
    images: int,
    courses: Mapping[str, _Course],
    outcome: Outcome,
) -> dict[str, Contrast]:
    """The contrasts of all arms, at the last look that each has reached."""

    def estimate_of(arm: str, seeds: tuple[int, ...]) -> Estimate:
        return estimate(maps[arm], maps[reference], seeds, images, design.folds)

    estimates = {arm: estimate_of(arm, course.seeds) for arm, course in courses.items()}
    looks: dict[str, list[Look]] = {arm: [] for arm in courses}
    for planned in design.looks:
        there = {arm: one for arm, one in courses.items() if one.has_reached(planned)}
        estimates |= {arm: estimate_of(arm, course.at(planned)) for arm, course in there.items()}
        alone = [
            look_at(estimates[arm], course.design(design), len(looks[arm]), outcome.level)
            for arm, course in there.items()
        ]
        found = correct_for_arms(alone, len(courses), outcome.level)
        for arm, look in zip(there, found, strict=True):
            looks[arm].append(look)
    return {
        arm: _contrast(
            arm,
            reference,
            estimates[arm],
            looks[arm],
            design,
            outcome,
            next_look=next((n for n in design.looks if n > len(course.ended)), None),
            images=images,
            comparisons=len(courses),
        )
        for arm, course in courses.items()
    }


def _contrast(
    arm: str,
    reference: str,
    found: Estimate,
    looks: list[Look],
    design: Design,
    outcome: Outcome,
    **numbers: Any,
) -> Contrast:
    contrast = Contrast(
        arm,
        reference,
        found.seeds,
        differences=found.differences,
        mean=found.mean,
        image_interval=found.image_interval,
        **_probabilities(found, design.smallest_difference),
        **(_of_last_look(looks[-1]) if looks else _before_the_first_look(found, outcome.level)),
        smallest_difference=design.smallest_difference,
        last_look=design.looks[-1],
        looks=tuple(looks),
        components=found.components,
        correlation=found.correlation,
        outcome=outcome.name,
        level=outcome.level,
        **numbers,
    )
    return replace(contrast, sentence=describe(contrast))


def _of_last_look(look: Look) -> dict[str, Any]:
    names = ("interval", "equivalence_interval", "p", "p_same", "p_holm", "p_same_holm")
    return {name: getattr(look, name) for name in (*names, "verdict", "futile")}


def _before_the_first_look(found: Estimate, level: float) -> dict[str, Any]:
    if found.variances is None:
        return {}
    half = found.variances.half_width(level)
    return {"interval": (found.mean - half, found.mean + half)}


def _probabilities(found: Estimate, smallest: float) -> dict[str, float]:
    """Of each verdict, by the same t distributions as the intervals."""
    if found.variances is None:
        return {}
    worse, below, above = (
        found.variances.tail(found.mean - limit) for limit in (0.0, -smallest, smallest)
    )
    return {
        "probability_better": 1 - worse,
        "probability_worse": worse,
        "probability_same": above - below,
    }
