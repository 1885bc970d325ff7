import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nets import boxes

pytestmark = pytest.mark.quick

A = np.array([0, 0, 4, 2], np.float32)  # 4 x 2
B = np.array([2, 0, 6, 4], np.float32)  # 4 x 4; 4 in common, union 20, enclosing 6 x 4

corners = arrays(np.float32, (8, 2, 2), elements=st.floats(0, 100, width=16))


def boxes_of(points):
    return np.concatenate([points.min(axis=1), points.max(axis=1) + 1], axis=-1)


def test_hand_worked_overlaps():
    assert float(boxes.iou(A, B)) == pytest.approx(4 / 20)
    assert float(boxes.giou(A, B)) == pytest.approx(4 / 20 - (24 - 20) / 24)
    # Centers (2, 1) and (4, 2); the enclosing's diagonal is sqrt(36 + 16).
    assert float(boxes.diou(A, B)) == pytest.approx(4 / 20 - 5 / 52)
    v = 4 / np.pi**2 * (np.arctan(4 / 2) - np.arctan(4 / 4)) ** 2
    alpha = v / (1 - 4 / 20 + v)
    assert float(boxes.ciou(A, B)) == pytest.approx(4 / 20 - 5 / 52 - alpha * v)


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
def test_a_box_overlaps_itself_entirely(name):
    assert float(getattr(boxes, name)(B, B)) == pytest.approx(1)


def test_boxes_apart():
    far = A + 10  # (10, 10, 14, 12): enclosing 14 x 12, centers 10 and 10 apart
    assert float(boxes.iou(A, far)) == 0
    assert float(boxes.giou(A, far)) == pytest.approx(-(14 * 12 - 16) / (14 * 12))
    assert float(boxes.diou(A, far)) == pytest.approx(-(100 + 100) / (14**2 + 12**2))


@given(corners, corners)
def test_ciou_is_keras_ciou(first, second):
    a, b = boxes_of(first), boxes_of(second)
    theirs = keras.utils.bounding_boxes.compute_ciou(a, b, bounding_box_format="xyxy")
    np.testing.assert_allclose(boxes.ciou(a, b), theirs, atol=2e-5)


@given(corners, corners)
def test_bounds_and_order(first, second):
    a, b = boxes_of(first), boxes_of(second)
    iou, giou, diou, ciou = (
        keras.ops.convert_to_numpy(f(a, b)) for f in (boxes.iou, boxes.giou, boxes.diou, boxes.ciou)
    )
    assert (iou >= 0).all()
    assert (iou <= 1 + 1e-6).all()
    assert (giou <= iou + 1e-6).all()
    assert (giou >= -1 - 1e-6).all()
    assert (diou <= iou + 1e-6).all()
    assert (ciou <= diou + 1e-6).all()
    np.testing.assert_allclose(iou, boxes.iou(b, a), atol=1e-6)


@pytest.mark.parametrize("name", ["iou", "giou", "diou", "ciou"])
def test_value_and_gradient_are_finite_on_degenerate_boxes(name):
    import tensorflow as tf

    degenerate = tf.constant([[5, 5, 5, 5], [0, 0, 1e4, 1e-6], [3, 3, 1, 1]], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(degenerate)
        value = getattr(boxes, name)(degenerate, tf.zeros_like(degenerate))
    assert np.isfinite(value).all()
    assert np.isfinite(tape.gradient(value, degenerate)).all()


def test_no_gradient_flows_through_the_aspect_weight():
    import tensorflow as tf

    a = tf.constant(A)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(a)
        whole, distance = boxes.ciou(a, B), boxes.diou(a, B)
        sides = a[2:] - a[:2]
        aspect = 4 / np.pi**2 * (tf.atan(sides[0] / sides[1]) - np.arctan(1)) ** 2
    weight = float((distance - whole) / aspect)
    expected = tape.gradient(distance, a) - weight * tape.gradient(aspect, a)
    np.testing.assert_allclose(tape.gradient(whole, a), expected, atol=1e-6)
