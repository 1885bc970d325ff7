"""The noise of single outcomes beside the difference that they show, without any verdict."""

from dataclasses import replace

import numpy as np

from benchmarks.verdicts.simulation import Scenario, simulate
from utils.metrics.statistics.bootstrap import weighted_map
from utils.metrics.voc_map import VocMatches, pooled, weighted_f1

OUTCOMES = ("VOC mAP", "AP of all objects as one class", "F1 at validation's threshold")
# As many as BCCD has.
_VALIDATION_IMAGES = 87


def differences(scenario: Scenario, skill: float, pairs: int) -> np.ndarray:
    """What pairs of runs say of the second arm, `[pairs, outcomes]`, as fractions.

    Args:
        scenario: what is simulated; a threshold is chosen on further images.
        skill: of the second arm, relative to the first.
        pairs: one of each arm, all on other images.
    """
    tested = scenario.images
    wider = replace(scenario, images=tested + _VALIDATION_IMAGES)
    rows = []
    for number in range(pairs):
        runs = simulate(wider, (0.0, skill), 1, np.random.default_rng([number, 2]))
        first, second = (_measure(runs[arm][0], tested) for arm in "01")
        rows.append(second - first)
    return np.array(rows)


def _measure(run: VocMatches, tested: int) -> np.ndarray:
    test, val = _of_images(run, slice(tested)), _of_images(run, slice(tested, None))
    once = np.ones((tested, 1))
    return np.concatenate(
        [
            weighted_map(test, once),
            weighted_map(pooled(test), once),
            weighted_f1(test, _threshold(val), once),
        ]
    )


def _of_images(run: VocMatches, images: slice) -> VocMatches:
    start, stop, _ = images.indices(len(run.num_gt))
    kept = (run.images >= start) & (run.images < stop)
    return VocMatches(
        run.images[kept] - start,
        run.labels[kept],
        run.scores[kept],
        run.is_tp[kept],
        run.num_gt[images],
    )


def _threshold(val: VocMatches) -> float:
    """The score with the highest F1: 2 TP / (kept + objects)."""
    kept = np.arange(1, len(val.scores) + 1)
    f1 = 2 * np.cumsum(val.is_tp) / (kept + val.num_gt.sum())
    return float(val.scores[np.argmax(f1)])
