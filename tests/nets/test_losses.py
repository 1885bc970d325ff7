import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nets.decode import decode
from nets.losses import (
    TERMS,
    YOLOv4Loss,
    balanced_bce,
    bce,
    focal,
    focal_star,
    ohem,
)
from tests.helpers.losses import ANCHORS, ARMS, IMAGES, arm, logits_of, loss_of, targets_of
from tests.helpers.yolov4 import LEVELS

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("compiled")]

logit_arrays = arrays(np.float32, (2, 20), elements=st.floats(-30, 30, width=32))
target_arrays = arrays(np.bool_, (2, 20))


def value_and_gradient(function, logits):
    logits = tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = function(logits)
    return value.numpy(), tape.gradient(value, logits).numpy()


def logit(p):
    return np.float32(np.log(p / (1 - p)))


# --- the elementwise losses


@given(logit_arrays, target_arrays)
def test_focal_with_gamma_0_and_alpha_half_is_half_of_bce(logits, targets):
    targets = targets.astype(np.float32)
    value, gradient = value_and_gradient(lambda x: 2 * focal(x, targets, 0.5, 0.0), logits)
    expected, expected_gradient = value_and_gradient(lambda x: bce(x, targets), logits)
    np.testing.assert_array_equal(value, expected)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-6, atol=1e-9)


@given(logit_arrays, target_arrays, st.floats(0, 1, width=32), st.floats(0, 5, width=32))
def test_focal_is_keras_focal_unreduced(logits, targets, alpha, gamma):
    logits = np.clip(logits, -10, 10)  # Keras clips probabilities at its epsilon
    targets = targets.astype(np.float32)
    theirs = [
        keras.losses.binary_focal_crossentropy(
            targets[..., None],
            logits[..., None],
            apply_class_balancing=True,
            alpha=alpha,
            gamma=gamma,
            from_logits=True,
        )
    ]
    np.testing.assert_allclose(focal(logits, targets, alpha, gamma), theirs[0], 1e-3, 1e-6)


@given(logit_arrays, target_arrays)
def test_bce_is_keras_bce_unreduced(logits, targets):
    targets = targets.astype(np.float32)
    theirs = keras.losses.binary_crossentropy(
        targets[..., None], logits[..., None], from_logits=True
    )
    np.testing.assert_allclose(bce(logits, targets), theirs, rtol=1e-5, atol=1e-6)


@given(logit_arrays, target_arrays, st.floats(0.5, 5, width=32))
def test_focal_gradient_is_the_papers_closed_form(logits, targets, gamma):
    # Lin et al. 2017, appendix B: dFL/dx = y (1 - p_t)^gamma (gamma p_t log p_t + p_t - 1).
    alpha = 0.25
    logits = np.clip(logits, -12, 12)
    _, gradient = value_and_gradient(
        lambda x: focal(x, targets.astype(np.float32), alpha, gamma), logits
    )
    sign = np.where(targets, 1.0, -1.0)
    p = 1 / (1 + np.exp(-sign * logits.astype(np.float64)))
    alpha_t = np.where(targets, alpha, 1 - alpha)
    expected = alpha_t * sign * (1 - p) ** gamma * (gamma * p * np.log(p) + p - 1)
    np.testing.assert_allclose(gradient, expected, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("p", "times"), [(0.9, 100), (0.968, 1000)])
def test_the_papers_examples_of_how_much_easy_examples_lose(p, times):
    # Section 3.2: with gamma 2 an example at p_t = 0.9 loses 100 times, at 0.968 about 1000 times.
    x, one = logit(p)[None], np.ones(1, np.float32)
    ratio = float(bce(x, one)[0]) / float(2 * focal(x, one, 0.5, 2.0)[0])
    assert ratio == pytest.approx(times, rel=0.03)


def test_alpha_weighs_positives_and_its_rest_negatives():
    x, one, zero = np.array([0.7], np.float32), np.ones(1, np.float32), np.zeros(1, np.float32)
    for function in (lambda t: balanced_bce(x, t, 0.3), lambda t: focal(x, t, 0.3, 0.0)):
        assert float(function(one)[0]) == pytest.approx(0.3 * np.log(1 + np.exp(-0.7)), rel=1e-6)
        assert float(function(zero)[0]) == pytest.approx(0.7 * np.log(1 + np.exp(0.7)), rel=1e-6)


def test_focal_star_by_its_formula():
    # -log sigmoid(gamma x_t + beta) / gamma at x = 0.5: x_t is 0.5 for a positive, else -0.5.
    x = np.array([0.5, 0.5], np.float32)
    expected = [np.log(1 + np.exp(-(2 * 0.5 + 1))) / 2, np.log(1 + np.exp(-(-2 * 0.5 + 1))) / 2]
    np.testing.assert_allclose(focal_star(x, np.array([1, 0.0], np.float32), 2.0, 1.0), expected)


@pytest.mark.parametrize("name", ARMS)
def test_finite_in_value_and_gradient_far_out(name):
    logits = np.array([[-1e4, 1e4, -1e4, 1e4, 0, -88, 88, -104]], np.float32)
    targets = np.array([[0, 0, 1, 1, 1, 1, 0, 0]], np.float32)
    loss_mask = np.ones_like(targets)
    for gamma in (0.5, 1.0, 2.0, 5.0):
        value, gradient = value_and_gradient(
            lambda x, g=gamma: arm(name, gamma=g)(x, targets, loss_mask), logits
        )
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()


# --- hard negative mining


def test_ohem_keeps_positives_and_the_hardest_three_negatives_of_each():
    logits = np.array([[5, -1, 4, 3, 2, 1, 0, -3]], np.float32)
    targets = np.array([[0, 1, 0, 0, 0, 0, 0, 0]], np.float32)
    loss_mask = np.array([[0, 1, 1, 1, 1, 1, 1, 1]], np.float32)  # the hardest one is ignored
    chosen = np.asarray(ohem(logits, targets, loss_mask, ratio=3.0)) > 0
    np.testing.assert_array_equal(chosen, [[0, 1, 1, 1, 1, 0, 0, 0]])
    values = np.asarray(ohem(logits, targets, loss_mask, ratio=3.0))
    np.testing.assert_allclose(values[chosen], np.asarray(bce(logits, targets))[chosen])


def test_ohem_counts_exactly_among_equal_negatives():
    logits, targets = np.zeros((2, 50), np.float32), np.zeros((2, 50), np.float32)
    targets[0, 0] = targets[1, 7] = 1
    chosen = np.asarray(ohem(logits, targets, np.ones_like(logits), ratio=3.0)) > 0
    assert chosen.sum() == 2 + 6


# --- the whole loss


def terms(criterion, targets, logits):
    return {k: float(v) for k, v in criterion(targets, [tf.constant(x) for x in logits]).items()}


def test_the_loss_has_no_default_that_could_differ_from_the_settings():
    parameters = inspect.signature(YOLOv4Loss).parameters.values()
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    assert {parameter.default for parameter in parameters} == {inspect.Parameter.empty}


def test_switching_the_confidence_loss_leaves_box_and_class_bit_identical():
    values = {name: terms(loss_of(name), targets_of(IMAGES), logits_of(0)) for name in ARMS}
    for name in ARMS:
        assert values[name]["box"] == values["bce"]["box"]
        assert values[name]["class"] == values["bce"]["class"]
    assert len({values[name]["confidence"] for name in ARMS}) == len(ARMS)


def test_confidence_by_hand():
    # All confidences 0: every kept predictor costs log 2; boxes are the anchors in their cells.
    logits = [np.zeros_like(x) for x in logits_of(0)]
    object_box = [16, 8, 24, 16]  # exactly the second anchor of its stride-8 cell
    found = terms(
        loss_of("bce", ignore_threshold=0.49),
        targets_of([[(object_box, 1, False)]]),
        [x[:1] for x in logits],
    )
    # Of the others only the (8, 16) anchor of that cell overlaps by 0.5; 4 x 4 by 0.25.
    kept = (64 + 16 + 4) * 3 - 1
    assert found["confidence"] == pytest.approx(kept * np.log(2), rel=1e-5)
    assert found["box"] == pytest.approx(0, abs=1e-6)
    assert found["class"] == pytest.approx(3 * np.log(2), rel=1e-6)


def test_terms_are_divided_by_images_and_positives_per_image():
    one = targets_of([[([16, 8, 24, 16], 0, False)]])
    logits = [x[:1] for x in logits_of(1)]
    sums = terms(loss_of("bce"), one, logits)
    halves = terms(loss_of("bce", positives_per_image=2.0), one, logits)
    assert halves == pytest.approx({name: value / 2 for name, value in sums.items()}, rel=1e-6)
    twice = {name: np.repeat(value, 2, axis=0) for name, value in one.items()}
    double = terms(loss_of("bce"), twice, [np.repeat(x, 2, axis=0) for x in logits])
    assert double == pytest.approx(sums, rel=1e-5)


def gradients(criterion, targets, logits):
    """Gradient of the whole loss in the logits of each level."""
    tensors = [tf.constant(x) for x in logits]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        loss = sum(criterion(targets, tensors).values())
    return [np.asarray(x) for x in tape.gradient(loss, tensors)]


SIXTEEN = [[([4 * i, 8, 4 * i + 9, 30], i % 3, i % 5 == 4)] * (i % 3) for i in range(16)]


@pytest.mark.parametrize("name", sorted({*ARMS} - {"ohem"}))  # it chooses within a batch
def test_four_batches_of_four_make_the_gradient_of_one_of_sixteen(name):
    criterion, logits = loss_of(name, positives_per_image=1.7), logits_of(4, batch=16)
    whole = gradients(criterion, targets_of(SIXTEEN), logits)
    for part in range(4):
        rows = slice(4 * part, 4 * part + 4)
        quarter = gradients(criterion, targets_of(SIXTEEN[rows]), [x[rows] for x in logits])
        for ours, theirs in zip(quarter, whole, strict=True):
            np.testing.assert_allclose(ours / 4, theirs[rows], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("name", sorted({*ARMS} - {"ohem"}))
def test_an_image_without_objects_has_the_same_gradient_in_any_batch(name):
    logits = logits_of(5)
    objects = [([16, 8, 24, 16], 0, False), ([30, 30, 60, 62], 1, False)]
    without = gradients(loss_of(name), targets_of([[], []]), logits)
    beside = gradients(loss_of(name), targets_of([objects, []]), logits)
    for ours, theirs in zip(without, beside, strict=True):
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_gains_multiply_their_own_term():
    plain = terms(loss_of(), targets_of(IMAGES), logits_of(2))
    gained = terms(
        loss_of(box_gain=2, confidence_gain=3, class_gain=5), targets_of(IMAGES), logits_of(2)
    )
    factors = dict(zip(TERMS, (2, 3, 5), strict=True))
    assert gained == pytest.approx({k: factors[k] * v for k, v in plain.items()}, rel=1e-5)


def test_without_objects_only_confidence_counts_and_nothing_divides_by_zero():
    for name in ARMS:
        found = terms(loss_of(name), targets_of([[], []]), logits_of(3))
        assert found["box"] == found["class"] == 0
        assert found["confidence"] > 0


def test_difficult_objects_are_neither_positive_nor_negative():
    box = [16, 8, 24, 16]
    logits = [np.zeros((1, 64 // s, 64 // s, 3, 8), np.float32) for s in (8, 16, 32)]
    nothing = terms(loss_of("bce"), targets_of([[]]), logits)
    difficult = terms(loss_of("bce"), targets_of([[(box, 1, True)]]), logits)
    assert difficult["box"] == difficult["class"] == 0
    # The one predictor whose box is the object's is left out of the negatives.
    assert nothing["confidence"] - difficult["confidence"] == pytest.approx(np.log(2), rel=1e-3)


def test_the_predictor_of_a_difficult_object_is_ignored_wherever_its_box_is():
    box = [16, 8, 24, 16]
    logits = [np.zeros((1, 64 // s, 64 // s, 3, 8), np.float32) for s in (8, 16, 32)]
    assigned = logits[0][0, 1, 2, 1]
    assigned[:5] = [9, 9, -3, -3, 5.0]  # a tiny box in the corner, of high confidence
    nothing = terms(loss_of("bce"), targets_of([[]]), logits)
    difficult = terms(loss_of("bce"), targets_of([[(box, 1, True)]]), logits)
    alone = float(np.log1p(np.exp(5.0)))
    assert nothing["confidence"] - difficult["confidence"] == pytest.approx(alone, rel=1e-3)


def test_padding_first_in_the_middle_or_last_is_the_same():
    objects = IMAGES[0]
    last = targets_of([objects])
    first = {name: value[:, [2, 0, 3, 1]] for name, value in last.items()}
    logits = [x[:1] for x in logits_of(4)]
    assert terms(loss_of(), first, logits) == pytest.approx(
        terms(loss_of(), last, logits), rel=1e-6
    )


def test_class_term_is_keras_bce_with_label_smoothing():
    logits = [x[:1] for x in logits_of(5)]
    found = terms(loss_of(label_smoothing=0.1), targets_of([[([16, 8, 24, 16], 2, False)]]), logits)
    assigned = logits[0][0, 1, 2, 1, 5:]
    theirs = keras.losses.binary_crossentropy(
        np.array([0, 0, 1.0]), assigned, from_logits=True, label_smoothing=0.1
    )
    assert found["class"] == pytest.approx(3 * float(theirs), rel=1e-5)


@pytest.mark.parametrize("name", ["giou", "diou", "ciou"])
def test_box_term_is_one_minus_overlap(name):
    from nets import boxes

    logits = [x[:1] for x in logits_of(6)]
    box = np.array([16, 8, 24, 16], np.float32)
    found = terms(loss_of(box_loss=name), targets_of([[(box, 2, False)]]), logits)
    predicted = np.asarray(decode(logits, ANCHORS, *LEVELS)[0])[0, (1 * 8 + 2) * 3 + 1]
    assert found["box"] == pytest.approx(1 - float(getattr(boxes, name)(predicted, box)), rel=1e-5)
