"""The confidence loss taken apart: its parts add up to it, and gradients are the closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from nets import losses
from nets.compiled import value_and_gradient
from nets.decode import decode
from nets.diagnostics import confidence_curve, examine
from nets.losses import confidence_loss
from tests.helpers.yolov4 import LEVELS, make_loss

ANCHORS = [[4, 4], [8, 8], [8, 16], [16, 16], [24, 16], [16, 32], [32, 32], [48, 32], [64, 64]]
ARMS = ["bce", "balanced_bce", "focal", "focal_star", "ohem"]
ALPHA, GAMMA, BETA = 0.25, 2.0, 1.0
# The first object is the second anchor of its stride-8 cell; the last is difficult.
OBJECTS = [([16, 8, 24, 16], 2, False), ([10, 20, 50, 60], 0, False), ([40, 0, 44, 4], 1, True)]
ASSIGNED = (1 * 8 + 2) * 3 + 1


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """The loss as it is written: compiling it takes seconds for each setting."""
    monkeypatch.setattr(losses, "compiled", lambda function: function)


def criterion(name, **options):
    arm = confidence_loss(
        name, focal_alpha=ALPHA, focal_gamma=GAMMA, focal_beta=BETA, ohem_ratio=3.0
    )
    return make_loss(ANCHORS, arm, **options)


def logits_of(seed):
    rng = np.random.default_rng(seed)
    shapes = [(2, 64 // s, 64 // s, 3, 8) for s in (8, 16, 32)]
    return [rng.normal(0, 1.5, shape).astype(np.float32) for shape in shapes]


def targets():
    boxes = np.zeros((2, 4, 4), np.float32)
    labels = np.full((2, 4), -1, np.int32)
    difficult = np.zeros((2, 4), bool)
    for place, (box, label, hard) in enumerate(OBJECTS):
        boxes[0, place], labels[0, place], difficult[0, place] = box, label, hard
    return {"boxes": boxes, "labels": labels, "difficult": difficult}


def examined(name, seed=0, **options):
    seen = examine(criterion(name, **options), targets(), logits_of(seed))
    return type(seen)(*map(np.asarray, seen))


def signed(seen):
    """x_t and p_t."""
    sign = 2 * seen.positive - 1
    p = seen.confidence.astype(np.float64)
    return sign * np.log(p / (1 - p)), np.where(seen.positive, p, 1 - p)


@pytest.mark.parametrize("name", ARMS)
def test_the_parts_add_up_to_the_confidence_term(name):
    options = {"confidence_gain": 3.0, "ignore_threshold": 0.4, "anchor_match_threshold": 0.3}
    options |= {"positives_per_image": 2.5}
    seen = examined(name, **options)
    term = criterion(name, **options)(targets(), [tf.constant(x) for x in logits_of(0)])
    assert seen.positive.sum() > 2
    images = len(seen.loss)
    assert seen.loss.sum() / (images * 2.5) == pytest.approx(float(term["confidence"]), 1e-5)


@pytest.mark.parametrize("name", ARMS)
def test_gradients_are_the_gradient_that_the_whole_loss_sends_to_the_confidence_logits(name):
    logits = [tf.constant(x) for x in logits_of(1)]
    with tf.GradientTape() as tape:
        tape.watch(logits)
        total = sum(criterion(name, confidence_gain=3.0)(targets(), logits).values())
    arriving = [g.numpy()[..., 4].reshape(2, -1) for g in tape.gradient(total, logits)]
    seen = examined(name, 1, confidence_gain=3.0)
    expected = np.concatenate(arriving, axis=1) * len(seen.gradient)
    np.testing.assert_allclose(seen.gradient, expected, rtol=1e-4, atol=1e-6)


def closed_form_gradient(name, x_t, p_t, positive):
    """d loss / d x_t, from Lin et al. 2017, appendix B."""
    alpha_t = np.where(positive, ALPHA, 1 - ALPHA)
    bce = p_t - 1
    return {
        "bce": bce,
        "balanced_bce": alpha_t * bce,
        "focal": alpha_t * (1 - p_t) ** GAMMA * (GAMMA * p_t * np.log(p_t) + p_t - 1),
        "focal_star": 1 / (1 + np.exp(-(GAMMA * x_t + BETA))) - 1,
    }[name]


@pytest.mark.parametrize("name", ARMS[:-1])
def test_gradients_are_the_papers_closed_forms(name):
    seen = examined(name, 2)
    x_t, p_t = signed(seen)
    expected = closed_form_gradient(name, x_t, p_t, seen.positive > 0)
    expected = expected * (2 * seen.positive - 1) * seen.loss_mask
    np.testing.assert_allclose(seen.gradient, expected, rtol=1e-3, atol=1e-6)


def test_ohem_is_bce_of_positives_and_of_three_negatives_each_and_nothing_else():
    seen, bce = examined("ohem", 3), examined("bce", 3)
    chosen = seen.loss > 0
    assert chosen.sum() == 4 * seen.positive.sum()
    assert chosen[seen.positive > 0].all()
    np.testing.assert_allclose(seen.loss[chosen], bce.loss[chosen], rtol=1e-6)
    np.testing.assert_allclose(seen.gradient[chosen], bce.gradient[chosen], rtol=1e-5)
    assert not seen.gradient[~chosen].any()


def test_which_predictors_are_positive_and_which_are_ignored():
    seen = examined("bce", ignore_threshold=0.3)
    assert seen.positive[0].sum() == 2
    assert seen.positive[0, ASSIGNED] == 1
    assert not seen.positive[1].any()
    assert seen.loss_mask[1].all(), "no object, nothing to ignore"
    assert seen.loss_mask[seen.positive > 0].all()
    ignored = seen.loss_mask == 0
    # The difficult object would be assigned to the first anchor of its cell.
    assert ignored[0, 5 * 3]
    assert not seen.loss[ignored].any()
    assert not seen.gradient[ignored].any()


def test_boxes_confidences_and_strides_are_those_of_decoding():
    seen = examined("focal")
    boxes, confidence, _ = decode([tf.constant(x) for x in logits_of(0)], ANCHORS, *LEVELS)
    np.testing.assert_allclose(seen.boxes, boxes, rtol=1e-5)
    np.testing.assert_allclose(seen.confidence, confidence, rtol=1e-6)
    assert seen.strides.tolist() == [8] * 192 + [16] * 48 + [32] * 12


@pytest.mark.parametrize("target", [0, 1])
@pytest.mark.parametrize("name", ARMS)
def test_curves_are_the_elementwise_loss_against_p_t(name, target):
    p_t = np.array([0.01, 0.3, 0.5, 0.9, 0.99])
    x_t = np.log(p_t / (1 - p_t))
    loss, gradient = confidence_curve(criterion(name, confidence_gain=2.0), p_t, target)
    as_written = "bce" if name == "ohem" else name  # it takes every example that is alone
    alpha_t = ALPHA if target else 1 - ALPHA
    expected = {
        "bce": -np.log(p_t),
        "balanced_bce": -alpha_t * np.log(p_t),
        "focal": -alpha_t * (1 - p_t) ** GAMMA * np.log(p_t),
        "focal_star": np.log1p(np.exp(-(GAMMA * x_t + BETA))) / GAMMA,
    }[as_written]
    np.testing.assert_allclose(loss, 2 * expected, rtol=1e-4)
    in_x_t = np.asarray(gradient) * (2 * target - 1)
    np.testing.assert_allclose(
        in_x_t, 2 * closed_form_gradient(as_written, x_t, p_t, target == 1), rtol=1e-4
    )


def test_value_and_gradient_of_a_known_function():
    x = tf.constant([-1.0, 0.0, 2.0])
    value, gradient = value_and_gradient(lambda x: x**3, x)
    np.testing.assert_allclose(value, [-1, 0, 8])
    np.testing.assert_allclose(gradient, [3, 0, 12])
