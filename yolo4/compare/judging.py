"""Judges the finished runs of a study: every arm against the reference."""

import functools
from collections.abc import Mapping, Sequence

from utils.metrics.voc_map import VocMatches, match_voc, pooled
from yolo4.compare.conclusion import conclude
from yolo4.compare.contrast import CO_OUTCOME, PRIMARY, Contrast, NotComparable, Outcome
from yolo4.compare.pairing import check_pairing
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages, load_detections
from yolo4.compare.verdict.estimate import Matches


def judge(
    plan: Plan,
    matches: Matches,
    not_comparable: Mapping[str, str],
    outcome: Outcome = PRIMARY,
) -> list[Contrast | NotComparable]:
    """Compare every arm with the reference.

    The control is judged by itself: it asks what the others' verdicts are worth, and takes none of
    their error rate.

    Args:
        plan: the study.
        matches: by arm and seed, the finished runs' matched detections.
        not_comparable: by arm, why its runs cannot be paired with the reference's.
        outcome: what the mean AP of `matches` is.

    Returns:
        One per arm except the reference, in the order of the arms.
    """
    others = plan.arms[1:]
    contrasts: dict[str, Contrast | NotComparable] = {}
    for is_control in (False, True):
        names = [arm.name for arm in others if arm.is_control == is_control]
        if not names:
            continue
        for contrast in _conclude(plan, matches, not_comparable, names, outcome):
            contrasts[contrast.arm] = contrast
    return [contrasts[arm.name] for arm in others]


def judge_co_outcome(
    plan: Plan, matches: Matches, not_comparable: Mapping[str, str]
) -> list[Contrast]:
    """Compare the arms with the reference in the co-outcome, as `judge` does in mAP.

    Arms that cannot be compared are left out. There are none if the study declared no co-outcome,
    or if there is one class, whose AP is mAP.
    """
    runs = [run for of_arm in matches.values() for run in of_arm.values()]
    if plan.design.co_outcome is None or not runs or runs[0].num_gt.shape[1] == 1:
        return []
    as_one_class = {
        arm: {seed: pooled(run) for seed, run in of_arm.items()} for arm, of_arm in matches.items()
    }
    judged = judge(plan, as_one_class, not_comparable, CO_OUTCOME)
    return [contrast for contrast in judged if isinstance(contrast, Contrast)]


def _conclude(
    plan: Plan,
    matches: Matches,
    not_comparable: Mapping[str, str],
    names: Sequence[str],
    outcome: Outcome,
) -> list[Contrast | NotComparable]:
    reference = plan.arms[0].name
    return conclude(
        {name: matches[name] for name in (reference, *names)},
        reference,
        plan.design,
        resamples=plan.resamples,
        seed=plan.shared.seed,
        not_comparable={name: not_comparable[name] for name in names if name in not_comparable},
        lost=_lost_seeds(plan),
        outcome=outcome,
    )


def _lost_seeds(plan: Plan) -> dict[str, list[int]]:
    """By arm, the seeds whose runs have diverged."""
    lost: dict[str, list[int]] = {arm.name: [] for arm in plan.arms}
    for arm, seed, run in plan.runs():
        if run.failure is not None:
            lost[arm.name].append(seed)
    return lost


def judge_stored(plan: Plan) -> list[Contrast | NotComparable]:
    """Judge what the finished runs have stored.

    Raises:
        UserError: a file of the study is missing or damaged.
    """
    matches: dict[str, dict[int, VocMatches]] = {arm.name: {} for arm in plan.arms}
    of_file = functools.cache(MeasuredImages.load)
    for arm, seed, run in plan.runs():
        if run.is_done:
            images = of_file(plan.images_file(seed))
            found = load_detections(run.detections_file, images)
            matches[arm.name][seed] = match_voc(found, images.records, images.class_names)
    return judge(plan, matches, check_pairing(plan).not_comparable)


def is_decided(plan: Plan, contrasts: Sequence[Contrast | NotComparable]) -> bool:
    """Whether more seeds would change nothing: every verdict stands, or is out of reach.

    The control has no verdict to wait for, unless it is the only arm.
    """
    controls = {arm.name for arm in plan.arms if arm.is_control}
    waited_for = [contrast for contrast in contrasts if contrast.arm not in controls]
    return all(
        isinstance(contrast, NotComparable) or contrast.verdict != "undecided" or contrast.futile
        for contrast in waited_for or contrasts
    )
