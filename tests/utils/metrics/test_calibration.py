"""The calibration curve: hand-worked, and a calibrated detector."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize

from tests.helpers.made_boxes import detections, record
from utils.errors import UserError
from utils.metrics.calibration import ScoreChoice, calibration_curve, fit_temperature
from utils.metrics.score_curve import ScoreCurve

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


def curve(scores, is_tp, num_gt=None):
    scores, is_tp = np.array(scores, float), np.array(is_tp, bool)
    return ScoreCurve(scores, is_tp, int(is_tp.sum()) if num_gt is None else num_gt)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_a_scaling_of_the_logits(temperature):
    """Scores of `n` outcomes each, exactly as often correct as the scores before the scaling."""
    correct, n = np.array([0.9, 0.6, 0.3, 0.1]), 10
    is_tp = [i < round(n * share) for share in correct for i in range(n)]
    logits = np.log(correct / (1 - correct)) * temperature
    scores = np.repeat(1 / (1 + np.exp(-logits)), n)
    assert fit_temperature(curve(scores, is_tp)) == pytest.approx(temperature, rel=1e-6)


def test_the_temperature_has_the_highest_likelihood():
    rng = np.random.default_rng(1)
    scores = np.sort(rng.uniform(0.01, 0.99, 200))[::-1]
    is_tp = rng.uniform(size=200) < scores**2

    def loss(temperature):
        p = 1 / (1 + np.exp(-np.log(scores / (1 - scores)) / temperature))
        return -np.log(np.where(is_tp, p, 1 - p)).sum()

    oracle = optimize.minimize_scalar(loss, bounds=(0.1, 10), method="bounded")
    assert fit_temperature(curve(scores, is_tp)) == pytest.approx(oracle.x, rel=1e-3)


def test_the_curve_after_a_temperature_is_that_of_the_scaled_scores():
    rows = [(0, 0.9, 0, 0, 10, 10), (0, 0.8, 0, 0, 10, 10), (0, 0.2, 90, 90, 99, 99)]
    scaled = [(c, 1 / (1 + ((1 - s) / s) ** 0.5), *box) for c, s, *box in rows]
    one = calibration_curve([detections(*rows)], [record(CAT)], NAMES, temperature=2)
    other = calibration_curve([detections(*scaled)], [record(CAT)], NAMES)
    assert one.ece == pytest.approx(other.ece)
    np.testing.assert_array_equal(one.counts, other.counts)


@pytest.mark.parametrize("is_tp", [True, False])
def test_scores_of_one_outcome_and_extreme_scores_have_a_temperature_within_bounds(is_tp):
    temperature = fit_temperature(curve([1.0, 0.7, 0.0], [is_tp] * 3))
    assert 0.01 <= temperature <= 100


def test_the_choice_is_the_threshold_of_the_best_f1_and_comes_back(tmp_path):
    choice = ScoreChoice.of(curve([0.9, 0.8, 0.7, 0.2], [1, 1, 0, 0], num_gt=2))
    assert choice.threshold == 0.8
    choice.save(tmp_path / "choice.json")
    assert ScoreChoice.load(tmp_path / "choice.json") == choice


def test_without_true_positives_there_is_no_threshold(tmp_path):
    assert ScoreChoice.of(curve([0.9], [0], num_gt=1)).threshold is None
    nothing = ScoreChoice.of(curve([], [], num_gt=1))
    assert nothing == ScoreChoice(None, None)
    nothing.save(tmp_path / "choice.json")
    assert ScoreChoice.load(tmp_path / "choice.json") == nothing


@pytest.mark.parametrize("content", ["{", "[]", '{"threshold": "x", "temperature": 1}'])
def test_a_damaged_choice_is_named(tmp_path, content):
    (tmp_path / "choice.json").write_text(content)
    with pytest.raises(UserError, match=r"choice\.json"):
        ScoreChoice.load(tmp_path / "choice.json")
