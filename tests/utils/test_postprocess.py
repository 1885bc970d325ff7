"""Boxes are suppressed as the network gives them, and clipped to the picture afterwards."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.boxes import distance_iou, iou
from utils.letterbox import Letterbox
from utils.postprocess import PREDICTION, select_detections

pytestmark = pytest.mark.quick

INPUT = (64, 96)
WHOLE = Letterbox.fit((96, 64), INPUT)
WIDE = Letterbox.fit((128, 48), INPUT)  # 0.75 input pixels a pixel, 14 rows of padding above


def select(boxes, scores, fit=WHOLE, **settings):
    """Detections of one class."""
    boxes, scores = np.array(boxes, np.float32), np.array(scores, np.float32)
    ones = np.ones((len(boxes), 1), np.float32)
    return select_detections(boxes, scores, ones, fit, replace(PREDICTION, **settings))


def test_boxes_that_differ_only_outside_the_picture_are_both_kept():
    # IoU 200 / 600; clipped to the picture, the two are equal.
    found = select([[-20, 0, 10, 20], [0, 0, 10, 20]], [0.9, 0.8])
    assert found.boxes.tolist() == [[0, 0, 10, 20]] * 2


def test_boxes_that_overlap_mostly_outside_the_picture_suppress_one_another():
    # IoU 35 / 55; clipped to the picture, 5 / 15.
    found = select([[-40, 0, 5, 20], [-30, 0, 15, 20]], [0.9, 0.8])
    assert found.boxes.tolist() == [[0, 0, 5, 20]]


def test_a_box_in_the_padding_takes_no_place_of_a_detection():
    boxes = [[0, 0, 30, 13], [40, 0, 60, 14], [0, 14, 30, 44], [60, 20, 90, 44]]
    found = select(boxes, [0.9, 0.8, 0.7, 0.6], WIDE, max_detections=1)
    assert found.boxes.tolist() == [[0, 0, 40, 40]]


def test_a_box_in_the_padding_suppresses_others():
    # IoU 11 / 16.
    assert len(select([[0, 0, 30, 13], [0, 2, 30, 16]], [0.9, 0.8], WIDE)) == 0


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_boxes_that_are_not_finite_neither_suppress_nor_count(wrong):
    found = select([[wrong, 0, 20, 20], [0, 0, 20, 20]], [0.9, 0.8], max_detections=1)
    np.testing.assert_allclose(found.scores, [0.8])


def plainly(boxes, scores, labels, fit, settings):
    """The order, written out: suppress, clip, drop what is empty, keep the best."""
    overlap = {"iou": iou, "diou": distance_iou}[settings.nms]
    kept = []
    for box in np.argsort(-scores):
        rivals = [other for other in kept if labels[other] == labels[box]]
        if all(overlap(boxes[box], boxes[other]) <= settings.nms_threshold for other in rivals):
            kept.append(box)
    clipped = fit.invert(boxes[kept])
    inside = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    return clipped[inside][: settings.max_detections], scores[kept][inside]


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(10, 300), st.integers(10, 300)),
    st.sampled_from(["iou", "diou"]),
    st.integers(1, 8),
)
def test_agrees_with_the_plain_loop(seed, source_size, method, max_detections):
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(-40, 90, (30, 2)), rng.uniform(1, 70, (30, 2))
    boxes = np.concatenate([corner, corner + side], axis=1).astype(np.float32)
    scores, labels = rng.permutation(np.linspace(0.3, 1, 30)), rng.integers(0, 2, 30)
    fit = Letterbox.fit(source_size, INPUT)
    settings = replace(PREDICTION, nms=method, max_detections=max_detections)
    found = select_detections(boxes, scores, np.eye(2)[labels], fit, settings)
    expected, expected_scores = plainly(boxes, scores, labels, fit, settings)
    np.testing.assert_array_equal(found.boxes, expected)
    np.testing.assert_allclose(found.scores, expected_scores[:max_detections], rtol=1e-6)


def test_detections_hold_24_bytes_each_and_nothing_of_the_network_output():
    """A validation keeps up to 300 of each image until all are detected."""
    boxes = np.tile(np.float64([[0, 0, 10, 20]]), (1000, 1)) + np.arange(1000)[:, None] % 50
    found = select_detections(
        boxes, np.linspace(0.5, 1, 1000), np.ones((1000, 1)), WHOLE, PREDICTION
    )
    arrays = (found.boxes, found.scores, found.labels)
    assert len(found) > 1
    assert [array.dtype for array in arrays] == [np.float32, np.float32, np.int32]
    assert all(array.base is None for array in arrays)
    assert sum(array.nbytes for array in arrays) == 24 * len(found)
