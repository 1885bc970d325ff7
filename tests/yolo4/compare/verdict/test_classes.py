"""Intervals of single classes: the mean over them is mAP, and together they cover."""

import numpy as np
import pytest

from benchmarks.verdicts.simulation import Scenario, simulate
from utils.metrics.statistics.bootstrap import bootstrap_ap, bootstrap_map
from utils.metrics.voc_map import VocMatches
from yolo4.compare.conclusion import conclude
from yolo4.compare.design import Design
from yolo4.compare.verdict.classes import class_differences

pytestmark = pytest.mark.quick


def test_map_is_the_mean_over_the_classes():
    runs = simulate(Scenario(30), (0.0, 0.2), 2, np.random.default_rng(0))["1"].values()
    ap = bootstrap_ap(list(runs), 40, np.random.default_rng(1))
    expected = bootstrap_map(list(runs), 40, np.random.default_rng(1))
    assert ap.shape == (2, 2, 40)
    assert ap.mean(axis=1) == pytest.approx(expected)


def test_their_mean_is_the_contrast_and_one_class_has_its_interval():
    matches = simulate(Scenario(40), (0.0, 0.3), 3, np.random.default_rng(2))
    (contrast,) = conclude(matches, "0", Design(looks=(3,)), 300, 5)
    found = class_differences(matches["1"], matches["0"], contrast.seeds, 300, 5)
    assert [one.label for one in found] == [0, 1]
    assert np.mean([one.mean for one in found]) == pytest.approx(contrast.mean)
    single = {arm: {s: only_first(run) for s, run in runs.items()} for arm, runs in matches.items()}
    (contrast,) = conclude(single, "0", Design(looks=(3,)), 300, 5)
    (alone,) = class_differences(single["1"], single["0"], contrast.seeds, 300, 5)
    # Degrees of freedom are of the images that have the class.
    assert alone.interval == pytest.approx(contrast.interval, abs=1e-3)
    # Beside another class, the interval is wider: Bonferroni.
    assert found[0].interval[0] < alone.interval[0]
    assert found[0].interval[1] > alone.interval[1]


def only_first(run):
    """The matches of the first class, in its images alone."""
    kept, first = run.labels == 0, run.num_gt[:, :1]
    return VocMatches(run.images[kept], run.labels[kept], run.scores[kept], run.is_tp[kept], first)


def test_a_class_in_a_single_image_is_left_out():
    matches = simulate(Scenario(40), (0.0, 0.3), 2, np.random.default_rng(2))
    for runs in matches.values():
        for run in runs.values():
            run.num_gt[1:, 1] = 0
            run.num_gt[0, 1] = 50
    assert len(class_differences(matches["1"], matches["0"], (0, 1), 50, 0)) == 1
