"""From the matched detections of all runs to contrasts with the reference.

A verdict has three conditions: the interval over test images excludes zero, the interval over
images and seeds excludes zero on the same side, and p after Holm's correction is below the level.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from utils.metrics.bootstrap import bootstrap_map, weighted_map
from utils.metrics.significance import VarianceComponents, holm, least_sign_flip_p, sign_flip_p
from utils.metrics.voc_map import VocMatches
from yolo4.compare.contrast import (
    LEVEL,
    MOST_SEEDS,
    Contrast,
    Interval,
    NotComparable,
    describe,
)

# The largest test set that is considered to settle a contrast, as a multiple of the actual one.
_MOST_IMAGES = 1000

# By arm and seed: float64 `[1 + resamples]`, the measured mAP, then that of each resample.
_Maps = dict[str, dict[int, np.ndarray]]


@dataclass(frozen=True)
class _Estimate:
    """A contrast before its verdict, and the variances of its mean (None with one seed)."""

    contrast: Contrast
    variances: VarianceComponents | None


def conclude(
    matches: Mapping[str, Mapping[int, VocMatches]],
    reference: str,
    resamples: int,
    seed: int,
    not_comparable: Mapping[str, str] = {},
) -> list[Contrast | NotComparable]:
    """Compare every arm with the reference.

    Args:
        matches: by arm and seed, the finished runs' matched detections on the same test images.
        reference: the arm that the others are compared with.
        resamples: number of bootstrap resamples, the same for all runs; at least 2.
        seed: seed of the bootstrap.
        not_comparable: by arm, why its runs cannot be paired with the reference's.

    Returns:
        One per arm except the reference, in the order of `matches`.

    Raises:
        ValueError: the runs were not measured on the same images.
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
    images = len(next(iter(matches[reference].values())).num_gt)
    maps = _maps({arm: matches[arm] for arm in (reference, *compared)}, resamples, seed)
    estimates = [_estimate(arm, reference, maps, images) for arm in compared]
    result |= {contrast.arm: contrast for contrast in _judge(estimates, images)}
    return [result[arm] for arm in arms]


def _obstacle(
    runs: Mapping[int, VocMatches], reference_runs: Mapping[int, VocMatches]
) -> str | None:
    """Why these two arms cannot be compared, or None."""
    if not runs.keys() & reference_runs.keys():
        return "there is no seed that both finished"
    num_gt = next(iter(reference_runs.values())).num_gt
    if np.count_nonzero(num_gt.any(axis=1)) < 2:
        return "fewer than two test images have objects"
    return None


def _maps(matches: Mapping[str, Mapping[int, VocMatches]], resamples: int, seed: int) -> _Maps:
    runs = [run for by_seed in matches.values() for run in by_seed.values()]
    once = np.ones((len(runs[0].num_gt), 1))
    drawn = bootstrap_map(runs, resamples, np.random.default_rng(seed))
    rows = iter(np.concatenate([[weighted_map(run, once) for run in runs], drawn], axis=1))
    return {arm: {seed: next(rows) for seed in by_seed} for arm, by_seed in matches.items()}


def _estimate(arm: str, reference: str, maps: _Maps, images: int) -> _Estimate:
    seeds = tuple(sorted(maps[arm].keys() & maps[reference].keys()))
    differences = np.array([maps[arm][seed] - maps[reference][seed] for seed in seeds])
    observed, drawn = differences[:, 0], differences[:, 1:].mean(axis=0)
    # A resample without objects has no mAP.
    drawn = drawn[~np.isnan(drawn)]
    contrast = Contrast(
        arm,
        reference,
        seeds,
        differences=tuple(observed.tolist()),
        mean=float(observed.mean()),
        image_interval=_interval(*np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])),
        sign_flip_p=sign_flip_p(observed),
        least_sign_flip_p=least_sign_flip_p(len(seeds)),
    )
    if len(seeds) == 1:
        return _Estimate(contrast, None)
    variances = VarianceComponents(
        float(drawn.var(ddof=1)), images, float(observed.var(ddof=1)), len(seeds)
    )
    half = float(variances.half_width(LEVEL))
    interval = _interval(contrast.mean - half, contrast.mean + half)
    p = variances.p(contrast.mean)
    return _Estimate(replace(contrast, interval=interval, p=p), variances)


def _interval(low: float, high: float) -> Interval:
    return float(low), float(high)


def _judge(estimates: list[_Estimate], images: int) -> Iterable[Contrast]:
    """Complete the contrasts: corrected p, verdict, what would settle them, sentence."""
    contrasts = [estimate.contrast for estimate in estimates]
    tested = [contrast.arm for contrast in contrasts if contrast.p is not None]
    p = dict(zip(tested, holm([c.p for c in contrasts if c.p is not None]).tolist(), strict=True))
    flips = holm([contrast.sign_flip_p for contrast in contrasts]).tolist()
    for estimate, flip in zip(estimates, flips, strict=True):
        contrast = replace(
            estimate.contrast, p_holm=p.get(estimate.contrast.arm), sign_flip_p_holm=flip
        )
        contrast = replace(contrast, verdict=_verdict(contrast))
        if contrast.verdict == "inconclusive" and estimate.variances is not None:
            seeds, test_images = _what_would_settle(contrast, estimate.variances, len(tested))
            contrast = replace(contrast, seeds_needed=seeds, images_needed=test_images)
        yield replace(contrast, sentence=describe(contrast, images, len(tested)))


def _verdict(contrast: Contrast) -> Literal["better", "worse", "inconclusive"]:
    if contrast.interval is None or contrast.p_holm is None or contrast.p_holm >= LEVEL:
        return "inconclusive"
    if min(contrast.interval[0], contrast.image_interval[0]) > 0:
        return "better"
    if max(contrast.interval[1], contrast.image_interval[1]) < 0:
        return "worse"
    return "inconclusive"


def _what_would_settle(
    contrast: Contrast, variances: VarianceComponents, comparisons: int
) -> tuple[int | None, int | None]:
    """About how many seeds, else how many test images, else how many of both.

    This assumes that the mean and the variances stay the same, and that the interval over images
    shrinks with the square root of their number. Holm's correction is at most a factor of
    `comparisons`.
    """
    mean = contrast.mean
    low, high = contrast.image_interval
    towards_zero = mean - low if mean > 0 else high - mean

    def first_settled(seeds: np.ndarray, images: np.ndarray) -> int | None:
        share = variances.images / images
        grown = VarianceComponents(
            variances.image_variance * share, images, variances.seed_variance, seeds
        )
        settled = grown.half_width(LEVEL / comparisons) < abs(mean)
        settled &= towards_zero * np.sqrt(share) < abs(mean)
        return int(np.argmax(settled)) if settled.any() else None

    more_seeds = np.arange(len(contrast.seeds) + 1, MOST_SEEDS + 1)
    more_images = np.ceil(variances.images * np.geomspace(1, _MOST_IMAGES, MOST_SEEDS)[1:])
    if (first := first_settled(more_seeds, np.full(len(more_seeds), variances.images))) is not None:
        return int(more_seeds[first]), None
    if (
        first := first_settled(np.full(len(more_images), variances.seeds), more_images)
    ) is not None:
        return None, _two_digits(more_images[first])
    both = np.ceil(variances.images * more_seeds / variances.seeds)
    if (first := first_settled(more_seeds, both)) is not None:
        return int(more_seeds[first]), _two_digits(both[first])
    return None, None


def _two_digits(number: float) -> int:
    """Rounded up to two digits; more would claim too much precision."""
    unit = 10 ** max(0, math.ceil(math.log10(number)) - 2)
    return math.ceil(number / unit) * unit
