"""The calibration curve: hand-worked, and a calibrated detector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.made_boxes import detections, record
from utils.metrics.calibration import calibration_curve

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")

CAT = (0, 0, 0, 10, 10, False)
HARD_CAT = (0, 50, 50, 60, 60, True)


def test_by_hand():
    found = detections(
        (0, 0.9, 0, 0, 10, 10),  # a true positive
        (0, 0.8, 0, 0, 10, 10),  # a duplicate
        (0, 0.6, 50, 50, 60, 60),  # on a difficult object: left out
        (1, 0.3, 0, 0, 10, 10),  # the wrong class
        (0, 0.1, 90, 90, 99, 99),  # background
    )
    result = calibration_curve([found], [record(CAT, HARD_CAT)], NAMES, bins=2)
    np.testing.assert_array_equal(result.edges, [0, 0.5, 1])
    np.testing.assert_array_equal(result.counts, [2, 2])
    np.testing.assert_allclose(result.confidence, [0.2, 0.85])
    np.testing.assert_allclose(result.precision, [0, 0.5])
    assert result.ece == pytest.approx((2 * 0.2 + 2 * 0.35) / 4)


def test_true_positives_depend_on_the_iou_threshold():
    found, objects = detections((0, 1.0, 0, 0, 10, 6)), record(CAT)  # IoU 0.6
    assert calibration_curve([found], [objects], NAMES).ece == pytest.approx(0)
    assert calibration_curve([found], [objects], NAMES, iou_threshold=0.7).ece == pytest.approx(1)


def test_a_score_on_an_edge_is_in_the_bin_above_and_1_in_the_last():
    scores = (0.0, 0.25, 0.5, 0.75, 1.0)
    found = detections(*((0, score, 90, 90, 99, 99) for score in scores))
    assert calibration_curve([found], [record(CAT)], NAMES, bins=4).counts.tolist() == [1, 1, 1, 2]


def test_without_detections_the_curve_is_nan_not_zero():
    result = calibration_curve([detections()], [record(CAT)], NAMES)
    assert result.counts.sum() == 0
    assert np.isnan([result.ece, *result.confidence, *result.precision]).all()


def test_a_calibrated_detector_has_no_error():
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 1, 20000)
    boxes = np.where(rng.uniform(size=(20000, 1)) < scores[:, None], [0, 0, 10, 10], [90] * 4)
    calibrated = [detections((0, s, *box)) for s, box in zip(scores, boxes, strict=True)]
    overconfident = [detections((0, s**0.5, *box)) for s, box in zip(scores, boxes, strict=True)]
    records = [record(CAT)] * len(scores)
    assert calibration_curve(calibrated, records, NAMES).ece < 0.02
    # The mean of sqrt(s) - s over 0..1.
    assert calibration_curve(overconfident, records, NAMES).ece == pytest.approx(
        2 / 3 - 1 / 2, abs=0.02
    )


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=30))
def test_the_error_of_one_bin_is_mean_score_less_precision(rows):
    images = [detections((0, s, *((0, 0, 10, 10) if hit else [90] * 4))) for s, hit in rows]
    result = calibration_curve(images, [record(CAT)] * len(rows), NAMES, bins=1)
    scores, hits = np.array(rows, np.float32).T
    assert result.ece == pytest.approx(abs(scores.mean() - hits.mean()), abs=1e-6)
