"""The differences in the AP of single classes: secondary outcomes, with simultaneous intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.metrics.statistics.bootstrap import bootstrap_ap, weighted_ap
from utils.metrics.statistics.significance import VarianceComponents
from utils.metrics.voc_map import VocMatches
from yolo4.compare.contrast import LEVEL, Interval


@dataclass(frozen=True)
class ClassDifference:
    """An arm's AP of a class minus that of the reference.

    Attributes:
        label: index of the class.
        mean: over the seeds, a fraction.
        interval: with 95% confidence, the intervals of all classes contain the true differences
            (Bonferroni). They are not corrected for looks: secondary outcomes decide nothing.
    """

    label: int
    mean: float
    interval: Interval


def class_differences(
    mine: Mapping[int, VocMatches],
    theirs: Mapping[int, VocMatches],
    seeds: Sequence[int],
    resamples: int,
    seed: int,
) -> list[ClassDifference]:
    """The differences of all classes that have objects in two test images or more.

    Args:
        mine: the arm's matches by seed, all on the same images: not for studies with folds.
        theirs: the reference's.
        seeds: those of the contrast, at least two.
        resamples: number of bootstrap resamples.
        seed: of the bootstrap.
    """
    runs = [arm[number] for arm in (mine, theirs) for number in seeds]
    num_gt = runs[0].num_gt
    whole = np.ones((len(num_gt), 1))
    once = [weighted_ap(run, whole) for run in runs]
    drawn = bootstrap_ap(runs, resamples, np.random.default_rng([seed, 0]))
    labels = np.flatnonzero(np.count_nonzero(num_gt, axis=0) >= 2)
    result = []
    ap = np.concatenate([once, drawn], axis=2)
    for label in labels.tolist():
        differences = ap[: len(seeds), label] - ap[len(seeds) :, label]
        differences = differences[:, ~np.isnan(differences).any(axis=0)]
        measured, resampled = differences[:, 0], differences[:, 1:]
        variances = VarianceComponents.from_bootstrap(
            measured,
            float(resampled.mean(axis=0).var(ddof=1)),
            float(resampled.var(axis=1, ddof=1).mean()),
            int(np.count_nonzero(num_gt[:, label])),
        )
        mean, half = float(measured.mean()), variances.half_width(LEVEL / len(labels))
        result.append(ClassDifference(label, mean, (mean - half, mean + half)))
    return result
