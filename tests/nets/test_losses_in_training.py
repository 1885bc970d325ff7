"""The loss compiled, in a network under each precision policy, and as what a training descends."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from nets import losses
from nets.decode import decode
from nets.networks import NETWORKS
from nets.yolov4 import YOLOv4
from tests.helpers.losses import ANCHORS, ARMS, IMAGES, logits_of, loss_of, targets_of
from tests.helpers.yolov4 import LEVELS

pytestmark = pytest.mark.usefixtures("compiled")


def test_the_compiled_loss_is_the_plain_one_in_value_and_gradient(compiled, monkeypatch):
    slow = loss_of("focal", anchor_match_threshold=0.2, label_smoothing=0.1)
    monkeypatch.setattr(losses, "compiled", compiled)
    fast = loss_of("focal", anchor_match_threshold=0.2, label_smoothing=0.1)
    results = []
    for criterion in (slow, fast):
        logits = [tf.constant(x) for x in logits_of(9)]
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = criterion(targets_of(IMAGES), logits)
            total = sum(values.values())
        results.append([*values.values(), *tape.gradient(total, logits)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "is_compiled"), [("focal", False), ("ohem", False), ("focal", True)]
)
def test_a_step_traced_for_any_size_has_the_loss_of_each_size(
    compiled, monkeypatch, name, is_compiled
):
    if is_compiled:
        monkeypatch.setattr(losses, "compiled", compiled)
    criterion = loss_of(name, anchor_match_threshold=0.2)
    traces = []

    @tf.function(input_signature=[[tf.TensorSpec((None, None, None, 3, 8))] * 3])
    def step(logits):
        traces.append(logits)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = criterion(targets_of(IMAGES), logits)
            total = sum(values.values())
        return [*values.values(), *tape.gradient(total, logits)]

    for height, width in ((64, 128), (96, 64)):
        logits = [tf.constant(x) for x in logits_of(9, height=height, width=width)]
        with tf.GradientTape() as tape:
            tape.watch(logits)
            values = loss_of(name, anchor_match_threshold=0.2)(targets_of(IMAGES), logits)
            total = sum(values.values())
        expected = [*values.values(), *tape.gradient(total, logits)]
        for a, b in zip(step(logits), expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    assert len(traces) == 1


@pytest.mark.parametrize("extreme", [1e4, -1e4])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_finite_at_extreme_logits_under_every_policy(policy, extreme, precision_policy):
    precision_policy(policy)
    network = YOLOv4(3, width=0.0625, network=NETWORKS["yolov4-tiny-3l"])
    for layer in network.convolutions():
        if layer.use_bias:
            layer.bias.assign(np.full(layer.bias.shape, extreme))
    targets = targets_of(IMAGES)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3))
    with tf.GradientTape() as tape:
        logits = network(images, training=True)
        values = [value for name in ARMS for value in loss_of(name)(targets, logits).values()]
        total = sum(values)
    assert np.isfinite(values).all()
    assert all(
        np.isfinite(gradient).all() for gradient in tape.gradient(total, network.trainable_weights)
    )


@pytest.mark.parametrize("name", ARMS)
def test_descending_the_gradient_on_one_batch_finds_the_objects(name):
    logits = [tf.Variable(x) for x in logits_of(8)]
    criterion, targets = loss_of(name), targets_of(IMAGES)
    optimizer = keras.optimizers.Adam(0.2)
    optimizer.build(logits)

    @tf.function
    def descend():
        with tf.GradientTape() as tape:
            total = sum(criterion(targets, [x + 0 for x in logits]).values())
        optimizer.apply(tape.gradient(total, logits), logits)
        return total

    totals = [float(descend()) for _ in range(30)]
    assert np.isfinite(totals).all()
    assert totals[-1] < 0.5 * totals[0]
    # The predictor that is assigned to the first object, IMAGES[0][0], and its class 2.
    boxes, confidence, scores = decode([tf.constant(x.numpy()) for x in logits], ANCHORS, *LEVELS)
    assigned = (1 * 8 + 2) * 3 + 1
    np.testing.assert_allclose(boxes[0, assigned], IMAGES[0][0][0], atol=1)
    assert float(confidence[0, assigned]) > 1.5 * float(np.median(confidence[0]))
    assert int(np.argmax(scores[0, assigned])) == 2
