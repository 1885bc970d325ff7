"""What a number of seeds says of an arm: the difference, and its noise by source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.metrics.statistics.bootstrap import bootstrap_map, weighted_map
from utils.metrics.statistics.significance import VarianceComponents
from utils.metrics.voc_map import VocMatches
from yolo4.compare.contrast import LEVEL, Components, Interval

Matches = Mapping[str, Mapping[int, VocMatches]]
# By arm and seed: float64 `[1 + resamples]`, the measured mAP, then that of each resample.
Maps = dict[str, dict[int, np.ndarray]]


@dataclass(frozen=True)
class Estimate:
    """An arm against the reference with some of the seeds that both finished.

    Attributes:
        seeds: these seeds, at least one.
        differences: one per seed.
        mean: of the differences.
        image_interval: 95% interval of the mean over test images alone (paired bootstrap).
        variances: of the mean; None with one seed.
        components: of the variance of a difference; None with one seed.
        correlation: of the mAPs of the two arms over the seeds; None if it cannot be computed.
    """

    seeds: tuple[int, ...]
    differences: tuple[float, ...]
    mean: float
    image_interval: Interval
    variances: VarianceComponents | None
    components: Components | None
    correlation: float | None


def resampled_maps(matches: Matches, folds: int, resamples: int, seed: int) -> Maps:
    """The mAP of all runs, measured and on resampled test images.

    Args:
        matches: by arm and seed. Without folds all are of the same images; with folds those of
            equal seed modulo `folds` are.
        folds: see `Design`.
        resamples: their number.
        seed: of the resamples. Runs on the same images share them.

    Raises:
        ValueError: runs that should be were not measured on the same images.
    """
    result: Maps = {arm: {} for arm in matches}
    by_fold: dict[int, list[tuple[str, int]]] = {}
    for arm, runs in matches.items():
        for run in runs:
            by_fold.setdefault(run % (folds or 1), []).append((arm, run))
    for fold, keys in by_fold.items():
        runs = [matches[arm][run] for arm, run in keys]
        once = np.ones((len(runs[0].num_gt), 1))
        drawn = bootstrap_map(runs, resamples, np.random.default_rng([seed, fold]))
        measured = [weighted_map(run, once) for run in runs]
        for (arm, run), row in zip(keys, np.concatenate([measured, drawn], axis=1), strict=True):
            result[arm][run] = row
    return result


def count_images(runs: Mapping[int, VocMatches], folds: int) -> int:
    """Number of test images of an arm's runs by seed; runs of one fold share theirs."""
    return sum({seed % (folds or 1): len(run.num_gt) for seed, run in runs.items()}.values())


def common_seeds(matches: Mapping[int, object], others: Mapping[int, object]) -> tuple[int, ...]:
    """The seeds that two arms have both finished, ascending."""
    return tuple(sorted(matches.keys() & others.keys()))


def estimate(
    mine: Mapping[int, np.ndarray],
    theirs: Mapping[int, np.ndarray],
    seeds: Sequence[int],
    images: int,
    folds: int,
) -> Estimate:
    """The difference between two arms.

    Args:
        mine: the arm's row of `Maps`.
        theirs: the reference's.
        seeds: the seeds to use, which both have.
        images: number of test images.
        folds: see `Design`.
    """
    pairs = np.array([(mine[seed], theirs[seed]) for seed in seeds])
    differences = pairs[:, 0] - pairs[:, 1]
    measured, drawn = differences[:, 0], differences[:, 1:]
    # A resample without objects has no mAP.
    drawn = drawn[:, ~np.isnan(drawn).any(axis=0)]
    low, high = np.quantile(drawn.mean(axis=0), [LEVEL / 2, 1 - LEVEL / 2])
    variances = components = None
    if len(seeds) > 1:
        of_mean = float(drawn.mean(axis=0).var(ddof=1))
        of_one = float(drawn.var(axis=1, ddof=1).mean())
        fold_of_seed = [seed % folds for seed in seeds] if folds else ()
        variances = VarianceComponents.from_bootstrap(
            measured, of_mean, of_one, images, fold_of_seed, folds
        )
        components = _components(variances, of_one)
    return Estimate(
        tuple(seeds),
        tuple(measured.tolist()),
        float(measured.mean()),
        (float(low), float(high)),
        variances,
        components,
        _correlation(*pairs[:, :, 0].T),
    )


def _components(variances: VarianceComponents, of_images: float) -> Components:
    """Split the images' variance of a single difference, and what seeds add to it."""
    image = min(variances.image_variance, of_images)
    image_by_seed = of_images - image
    seed = max(0.0, variances.seed_variance - image_by_seed)
    return Components(*(float(np.sqrt(part)) for part in (image, seed, image_by_seed)))


def _correlation(mine: np.ndarray, theirs: np.ndarray) -> float | None:
    if len(mine) < 3 or not (np.ptp(mine) and np.ptp(theirs)):
        return None
    return float(np.corrcoef(mine, theirs)[0, 1])
