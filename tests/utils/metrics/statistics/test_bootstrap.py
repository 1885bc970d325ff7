"""The bootstrap of mAP: against lists of images with real copies, and against known variances."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.cost import python_calls
from utils.metrics.calibration import calibration_curve, weighted_ece
from utils.metrics.coco_map import evaluate_coco, match_coco
from utils.metrics.statistics import bootstrap as resampling
from utils.metrics.statistics.bootstrap import (
    bootstrap_ap,
    bootstrap_map,
    mean_over_classes,
    weighted_ap,
    weighted_coco_ap,
    weighted_map,
)
from utils.metrics.voc_map import VocMatches, evaluate_voc, match_voc, pooled, weighted_f1
from utils.records import Detections, Record

pytestmark = pytest.mark.quick

CLASSES = ["a", "b", "c"]


def random_truth(rng, images):
    """Images of up to four objects in a narrow space."""
    truth = []
    for objects in rng.integers(0, 5, images):
        corners = rng.integers(0, 12, (objects, 2))
        boxes = np.hstack([corners, corners + rng.integers(4, 9, (objects, 2))]).astype(np.float32)
        labels = rng.integers(0, 3, objects).astype(np.int32)
        truth.append(Record(Path("x"), (20, 20), boxes, labels, rng.random(objects) < 0.2))
    return truth


def random_found(rng, truth):
    """True positives, duplicates, inaccurate boxes and wrong classes; all scores differ."""
    found, scores = [], rng.permutation(1000).astype(np.float32) / 1000
    for record in truth:
        chosen = rng.integers(0, len(record.labels), rng.integers(0, 9) * (len(record.labels) > 0))
        boxes = record.boxes[chosen] + rng.integers(-1, 2, (len(chosen), 4)).astype(np.float32)
        wrong = rng.random(len(chosen)) < 0.3
        labels = np.where(wrong, rng.integers(0, 3, len(chosen)), record.labels[chosen])
        mine, scores = np.split(scores, [len(chosen)])
        found.append(Detections(boxes, mine, labels.astype(np.int32)))
    return found


def random_matches(images, per_image, classes, seed):
    """Random matches, of a size that decides how long a resample takes."""
    rng, count = np.random.default_rng(seed), images * per_image
    return VocMatches(
        np.repeat(np.arange(images), per_image)[rng.permutation(count)],
        rng.integers(0, classes, count),
        np.sort(rng.random(count))[::-1],
        rng.random(count) < np.linspace(0.4, 0, count),
        np.full((images, classes), 1 + per_image // classes),
    )


@settings(max_examples=150)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_equals_the_evaluation_of_really_copied_images(seed, copies):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, len(copies))
    found = random_found(rng, truth)
    images = np.repeat(np.arange(len(copies)), copies)
    expected = evaluate_voc([found[i] for i in images], [truth[i] for i in images], CLASSES).map
    weights = np.array([copies, [1] * len(copies)]).T
    once = evaluate_voc(found, truth, CLASSES).map
    matches = match_voc(found, truth, CLASSES)
    assert weighted_map(matches, weights) == pytest.approx([expected, once], nan_ok=True)


@settings(max_examples=100)
@given(st.integers(0, 10**6), st.lists(st.integers(0, 4), min_size=1, max_size=6))
def test_every_outcome_equals_the_evaluation_of_really_copied_images(seed, copies):
    rng = np.random.default_rng(seed)
    truth = random_truth(rng, len(copies))
    found = random_found(rng, truth)
    images = np.repeat(np.arange(len(copies)), copies)
    copied = [found[i] for i in images], [truth[i] for i in images], CLASSES
    overall = evaluate_voc(*copied).main.overall
    coco = evaluate_coco(*copied)
    expected = {
        "AP": coco["AP"],
        "AP75": coco["AP75"],
        "pooled": overall.average_precision,
        "F1": overall.point(0.4).f1,
        "ECE": calibration_curve(*copied).ece,
        "scaled ECE": calibration_curve(*copied, temperature=1.7).ece,
    }
    weights, matches = np.array([copies]).T, match_voc(found, truth, CLASSES)
    by_iou = [
        mean_over_classes(weighted_coco_ap(each, weights))
        for each in match_coco(found, truth, CLASSES)
    ]
    weighted = {
        "AP": np.mean(by_iou, axis=0),
        "AP75": by_iou[5],
        "pooled": weighted_ap(pooled(matches), weights)[0],
        "F1": weighted_f1(matches, 0.4, weights),
        "ECE": weighted_ece(matches, weights),
        "scaled ECE": weighted_ece(matches, weights, 1.7),
    }
    assert {name: each[0] for name, each in weighted.items()} == pytest.approx(
        expected, nan_ok=True
    )


def test_resamples_are_weighted_evaluations_shared_by_the_runs(monkeypatch):
    """Also if the work is split into pieces."""
    truth = random_truth(np.random.default_rng(0), 12)
    found = [random_found(np.random.default_rng(seed), truth) for seed in range(3)]
    runs = [match_voc(one, truth, CLASSES) for one in found]
    weights = np.random.default_rng(5).multinomial(12, [1 / 12] * 12, size=50).T
    expected = [weighted_map(run, weights) for run in runs]
    for at_once in (1, 100, 1 << 21):
        monkeypatch.setattr(resampling, "_ELEMENTS_AT_ONCE", at_once)
        drawn = bootstrap_map(runs, 50, np.random.default_rng(5))
        np.testing.assert_array_equal(drawn, expected)
    assert len(np.unique(drawn)) > 100


def test_map_is_the_mean_over_the_classes_of_each_resample():
    runs = [random_matches(30, 6, 2, seed) for seed in range(2)]
    ap = bootstrap_ap(runs, 40, np.random.default_rng(1))
    assert ap.shape == (2, 2, 40)
    assert ap.mean(axis=1) == pytest.approx(bootstrap_map(runs, 40, np.random.default_rng(1)))


def test_the_variance_is_that_of_the_sampling():
    """One object per image, no false positive: AP is the share detected, of variance p q / n."""
    images, share = 50, 0.3
    right = np.arange(images * share, dtype=int)
    matches = VocMatches(
        right,
        np.zeros_like(right),
        np.linspace(0.9, 0.1, len(right)),
        np.ones(len(right), bool),
        np.ones((images, 1), np.int64),
    )
    drawn = bootstrap_map([matches], 20_000, np.random.default_rng(0))[0]
    assert drawn.mean() == pytest.approx(share, abs=0.002)
    assert drawn.var() == pytest.approx(share * (1 - share) / images, rel=0.05)


def test_resamples_without_objects_are_nan():
    """One of two images has the object: a quarter of the resamples have not."""
    objects = np.array([[1], [0]])
    matches = VocMatches(*(np.array([x]) for x in (0, 0, 0.5, True)), objects)
    drawn = bootstrap_map([matches], 4000, np.random.default_rng(0))[0]
    assert np.isnan(drawn).mean() == pytest.approx(1 / 4, abs=0.03)
    assert (drawn[~np.isnan(drawn)] == 1).all()


def test_without_images():
    nothing = match_voc([], [], CLASSES)
    assert np.isnan(bootstrap_map([nothing], 5, np.random.default_rng(0))).all()
    assert bootstrap_map([], 5, np.random.default_rng(0)).shape == (0, 5)


def test_runs_on_different_images_are_refused():
    runs = [random_matches(images, 3, 2, 0) for images in (4, 5)]
    with pytest.raises(ValueError, match="different images"):
        bootstrap_map(runs, 5, np.random.default_rng(0))


def test_all_resamples_are_measured_at_once():
    """900 more take less than a Python call each; 2 runs of 72 images and 20,000 detections."""
    runs = [random_matches(72, 280, 3, seed) for seed in range(2)]
    few, many = (
        python_calls(bootstrap_map, runs, resamples, np.random.default_rng(0))
        for resamples in (100, 1000)
    )
    assert many - few < 900


def test_memory_does_not_grow_with_the_resamples(monkeypatch):
    """All weights at once would be 32 MB, each array of the work as much again."""
    monkeypatch.setattr(resampling, "_ELEMENTS_AT_ONCE", 1 << 16)
    runs = [random_matches(2000, 3, 2, seed) for seed in range(2)]
    tracemalloc.start()
    bootstrap_map(runs, 2000, np.random.default_rng(0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6
