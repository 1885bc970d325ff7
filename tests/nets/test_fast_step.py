"""The fast pieces give the numbers of the plain ones, forth and back.

Two blocks are compared, not the whole network: untrained, in small batches, it makes of a change of
a millionth in its input one of a hundredth in its gradient.
"""

import itertools

import keras
import numpy as np
import pytest

from benchmarks.step import plain_pieces
from nets.blocks import conv_bn_act

SHAPE = (8, 24, 24, 6)


def output_and_gradients(plain):
    """What two blocks make of an image, and a gradient in the image and in every weight."""
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    inputs = keras.Input(SHAPE[1:])
    names = (f"conv_{number}" for number in itertools.count(1))
    with plain_pieces(plain):
        x = conv_bn_act(inputs, 16, 3, "mish", names)
        model = keras.Model(inputs, conv_bn_act(x, 8, 3, "leaky", names, stride=2))
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=SHAPE), tf.float32)
    weights = tf.constant(rng.normal(size=(8, 12, 12, 8)), tf.float32)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = tf.cast(model(images, training=True), tf.float32)
            total = tf.reduce_sum(weights * output**2)
        variables = [variable.value for variable in model.trainable_variables]
        return [output, *tape.gradient(total, [images, *variables])]

    return [keras.ops.convert_to_numpy(array) for array in step()]


def difference(found, wanted):
    """Length of the difference of two arrays, relative to the second's."""
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.fixture(scope="module")
def plain():
    return output_and_gradients(plain=True)


def test_in_float32_to_a_hundred_thousandth(plain):
    fast = output_and_gradients(plain=False)
    assert len(fast) == len(plain) == 8
    assert max(difference(*pair) for pair in zip(fast, plain, strict=True)) < 1e-5


def test_in_bfloat16_to_its_precision(plain, precision_policy):
    precision_policy("mixed_bfloat16")
    fast = output_and_gradients(plain=False)
    assert max(difference(*pair) for pair in zip(fast, plain, strict=True)) < 0.02
