"""What a study will cost and what it can find, before it goes on."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from utils.metrics.history import read_history
from utils.metrics.statistics.significance import VarianceComponents
from utils.text import number_of
from yolo4.compare.contrast import LEVEL, Contrast
from yolo4.compare.judging import judge_stored
from yolo4.compare.study import Plan
from yolo4.compare.study_files import MeasuredImages
from yolo4.compare.verdict.looks import level_at

POWER = 0.8
# A guess, as long as no two seeds have finished: standard deviations in points of mAP.
GUESSED_SCATTER = 1.5  # of a run, over seeds
GUESSED_IMAGES = 1.2  # of the difference between two arms, over sets of so many images:
_OF_IMAGES = 72


def forecast(plan: Plan) -> list[str]:
    """The number of runs with their time, and the difference that the study would find.

    Args:
        plan: a study that has been started, with any number of finished runs.

    Raises:
        UserError: a file of the study is missing or damaged.
    """
    images = MeasuredImages.load(plan.study.images_file)
    sentences = [_cost(plan, images)]
    seeds = len(plan.seeds)
    if seeds > 1:
        image, seed, source = _earlier(plan) or _guess(plan, images)
        looks = (*(look for look in plan.design.looks if look < seeds), seeds)
        arms = sum(not arm.is_control for arm in plan.arms[1:]) or 1
        level = _level(image, seed, looks, arms)
        points = detectable_difference(image, seed, seeds, plan.design.overlap, level)
        sentences.append(
            f"With {number_of(seeds, 'seed')} and {number_of(len(looks), 'look')} it finds a "
            f"difference of {points:.1f} points with {POWER:.0%} power{_correction(arms)}, "
            f"{source}."
        )
    return sentences


def _level(image: float, seed: float, looks: Sequence[int], arms: int) -> float:
    """The level of the last look's test of an arm; Holm's correction divides it by all arms."""
    variances = VarianceComponents(image**2, 2, seed**2, looks[-1])  # images don't matter here
    return level_at(variances, looks, len(looks) - 1, LEVEL / arms)


def _correction(arms: int) -> str:
    return f" in each of {arms} comparisons" if arms > 1 else ""


def detectable_difference(
    image: float, seed: float, seeds: int, overlap: float = 0.0, level: float = LEVEL
) -> float:
    """The true difference for which a t test of the mean over seeds has 80% power, about.

    Args:
        image: standard deviation of the mean difference over sets of test images.
        seed: standard deviation of a single seed's difference, for the same images.
        seeds: at least 2.
        overlap: see `yolo4.compare.design.Design`.
        level: two-sided, of the test.
    """
    error = math.hypot(image, seed * math.sqrt(1 / seeds + overlap))
    freedom = seeds - 1
    return float((stats.t.ppf(1 - level / 2, freedom) + stats.t.ppf(POWER, freedom)) * error)


def _cost(plan: Plan, images: MeasuredImages) -> str:
    runs = [run for *_, run in plan.runs()]
    left = sum(not (run.is_done or run.failure) for run in runs)
    most = "At most " if plan.until_decided else ""
    seeds = number_of(len(plan.seeds), "seed")
    text = f"{most}{len(runs)} runs ({len(plan.arms)} arms, {seeds})"
    tuned = sum(arm.protocol == "tuned" for arm in plan.arms)
    text += f", and {tuned} times {plan.trials} trials before" if tuned else ""
    text += f", {left} of them to do" if left < len(runs) else ""
    minutes = [
        float((images.counts.get("train", 0) / speeds).sum() / 60)
        for run in runs
        if run.is_done and len(speeds := read_history(run.history_file)["images_per_second"])
    ]
    if not minutes:
        return f"{text}; the first will show how long one takes."
    each = float(np.mean(minutes))
    return f"{text}, of about {each:.0f} min each: {_time(left * each)} to go."


def _time(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _earlier(plan: Plan) -> tuple[float, float, str] | None:
    """Both standard deviations in points, from the finished runs, and where they are from."""
    contrasts = judge_stored(plan)
    found = [c.components for c in contrasts if isinstance(c, Contrast) and c.components]
    if not found:
        return None
    image = _root_mean_square([each.image for each in found])
    seed = _root_mean_square([math.hypot(each.seed, each.image_by_seed) for each in found])
    return 100 * image, 100 * seed, "by the variance of the runs in this folder"


def _guess(plan: Plan, images: MeasuredImages) -> tuple[float, float, str]:
    share = min(1.0, len(plan.seeds) / plan.design.folds) if plan.design.folds else 1.0
    tested = max(1.0, share * len(images.records))
    source = f"if runs scatter by {GUESSED_SCATTER} points, which is a guess; {tested:.0f} images"
    image = GUESSED_IMAGES * math.sqrt(_OF_IMAGES / tested)
    return image, GUESSED_SCATTER * math.sqrt(2), source


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
