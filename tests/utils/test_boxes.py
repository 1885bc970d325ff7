"""NMS against hand-worked cases and a plain re-implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.boxes import distance_iou, nms

pytestmark = pytest.mark.quick


def plain_overlap(a, b, method):
    """IoU or DIoU of two xyxy boxes in plain Python."""
    width = max(0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(q[2] - q[0]) * (q[3] - q[1]) for q in (a, b)]
    iou = width * height / (sum(areas) - width * height)
    if method == "iou":
        return iou
    centers = [((q[0] + q[2]) / 2, (q[1] + q[3]) / 2) for q in (a, b)]
    distance = sum((p - q) ** 2 for p, q in zip(*centers, strict=True))
    diagonal = (max(a[2], b[2]) - min(a[0], b[0])) ** 2 + (max(a[3], b[3]) - min(a[1], b[1])) ** 2
    return iou - distance / diagonal


def plain_nms(boxes, scores, labels, threshold, limit, method):
    keep = []
    for i in sorted(range(len(scores)), key=lambda i: -scores[i]):
        same = [j for j in keep if labels[j] == labels[i]]
        if all(plain_overlap(boxes[i], boxes[j], method) <= threshold for j in same):
            keep.append(i)
    return keep[:limit]


corner = st.integers(-30, 30)
side = st.integers(1, 25)
candidate = st.tuples(corner, corner, side, side, st.integers(0, 8), st.integers(0, 2))


@settings(max_examples=300, deadline=None)
@given(st.lists(candidate, min_size=1, max_size=25), st.sampled_from(["iou", "diou"]))
def test_equals_a_plain_greedy_search(candidates, method):
    """Also with ties in score, negative coordinates and a limit."""
    table = np.array(candidates, np.float64)
    boxes = np.concatenate([table[:, :2], table[:, :2] + table[:, 2:4]], axis=1)
    scores, labels = (table[:, 4] / 8).astype(np.float32), table[:, 5].astype(np.int32)
    # An irrational threshold: no ratio of small integers lies within rounding of it.
    threshold = 0.45 / np.sqrt(2)
    expected = plain_nms(boxes, scores, labels, threshold, 15, method)
    found = nms(boxes.astype(np.float32), scores, labels, threshold, 15, method)
    assert found.tolist() == expected
    assert found.dtype == np.int64


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([1, 10, 100]), st.sampled_from([20, 400]))
def test_looking_at_the_best_candidates_first_changes_nothing(seed, limit, largest):
    """Whether few of many boxes stay or most of them do."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(-9, 400, (1500, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(2, largest, (1500, 2))], 1)
    scores = rng.integers(1, 500, 1500).astype(np.float32) / 500
    labels = rng.integers(0, 3, 1500).astype(np.int32)
    everything = nms(boxes, scores, labels, 0.3, 1500)
    assert nms(boxes, scores, labels, 0.3, limit).tolist() == everything[:limit].tolist()


@pytest.mark.parametrize("method", ["iou", "diou"])
def test_best_of_a_heap_stays_and_other_classes_are_left_alone(method):
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.6, 0.9, 0.8, 0.7], np.float32)
    labels = np.array([0, 0, 1, 0], np.int32)
    assert nms(boxes, scores, labels, 0.5, 100, method).tolist() == [1, 2, 3]
    assert nms(boxes, scores, labels, 0.5, 2, method).tolist() == [1, 2]


def test_classes_stay_apart_with_negative_coordinates():
    boxes = np.array([[0, 0, 10, 10], [-11, -11, -1, -1]], np.float32)
    assert len(nms(boxes, np.array([0.5, 0.4]), np.array([0, 1]), 0.5, 10)) == 2


def test_overlap_equal_to_the_threshold_is_kept():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    assert len(nms(boxes, np.array([0.9, 0.8]), np.array([0, 0]), 0.5, 10)) == 2
    assert len(nms(boxes, np.array([0.9, 0.8]), np.array([0, 0]), 0.49, 10)) == 1


def test_diou_keeps_a_neighbor_that_iou_drops():
    """IoU 7.5/12.5 = 0.6; centers 2.5 apart, diagonal^2 256.25: DIoU = 0.6 - 6.25/256.25."""
    boxes = np.array([[0, 0, 10, 10], [2.5, 0, 12.5, 10]], np.float32)
    scores, labels = np.array([0.9, 0.8]), np.array([0, 0])
    assert distance_iou(boxes[0], boxes[1:])[0] == pytest.approx(0.6 - 6.25 / 256.25)
    assert len(nms(boxes, scores, labels, 0.59, 10, "iou")) == 1
    assert len(nms(boxes, scores, labels, 0.59, 10, "diou")) == 2


@pytest.mark.parametrize("method", ["iou", "diou"])
def test_nothing_in_nothing_out_and_zero_scores_count(method):
    empty = nms(np.zeros((0, 4)), np.zeros(0), np.zeros(0), 0.5, 10, method)
    assert empty.shape == (0,)
    boxes = np.array([[0, 0, 5, 5], [20, 20, 25, 25]], np.float32)
    assert len(nms(boxes, np.zeros(2), np.zeros(2), 0.5, 10, method)) == 2


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="'soft' is unknown"):
        nms(np.zeros((1, 4)), np.zeros(1), np.zeros(1), 0.5, 10, "soft")
