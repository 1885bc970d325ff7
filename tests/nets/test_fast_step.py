"""The fast pieces are as accurate as the plain ones, forward and backward.

Two blocks are compared, not the whole network: untrained, in small batches, it turns a change of
a millionth in its input into one of a hundredth in its gradient.
"""

import math

import keras
import numpy as np
import pytest

from benchmarks.training.plain import plain_pieces
from nets.blocks import conv_bn_act

SHAPE = (8, 24, 24, 6)


def output_and_gradients(plain):
    """Output of two blocks, and the gradients of a sum of it in the images and in every weight."""
    import tensorflow as tf

    inputs = keras.Input(SHAPE[1:])
    with plain_pieces(plain):
        x = conv_bn_act(inputs, 16, 3, "mish", "conv_1")
        model = keras.Model(inputs, conv_bn_act(x, 8, 3, "leaky", "conv_2", stride=2))
    rng = np.random.default_rng(0)
    dtype = model.trainable_variables[0].dtype
    images = tf.constant(rng.normal(size=SHAPE), dtype)
    factors = tf.constant(rng.normal(size=(8, 12, 12, 8)), dtype)
    for variable in model.trainable_variables:
        spread = rng.normal(0, 0.2, variable.shape)
        variable.assign(1 + spread if variable.name == "gamma" else spread)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            tape.watch(images)
            output = tf.cast(model(images, training=True), dtype)
            total = tf.reduce_sum(factors * output**2)
        variables = [variable.value for variable in model.trainable_variables]
        return [output, *tape.gradient(total, [images, *variables])]

    return [keras.ops.convert_to_numpy(array) for array in step()]


def errors(found, exact):
    """Length of the difference of each two arrays, relative to the exact one's."""
    lengths = [np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in zip(found, exact, strict=True)]
    return np.array(lengths)


@pytest.mark.parametrize(
    ("policy", "roundoff"), [("float32", 2.0**-24), ("mixed_bfloat16", 2.0**-8)]
)
def test_as_accurate_as_the_plain_step(precision_policy, policy, roundoff):
    """The plain step's error, measured on the same machine, bounds the fast one's.

    No constant would: whether a convolution sums in bfloat16 or float32, and in which order,
    depends on the processor and on oneDNN. Plain and fast steps round in about as many places, so
    their errors are alike, but for random differences of less than a factor of 2 and for two
    roundings that only one of them may have: a result's, and that of a sum over all positions,
    in float32 under both policies, whose error grows as the root of their number (Higham & Mary
    2019).
    """
    precision_policy("float64")
    exact = output_and_gradients(plain=True)
    precision_policy(policy)
    plain = errors(output_and_gradients(plain=True), exact)
    fast = errors(output_and_gradients(plain=False), exact)
    assert len(fast) == 8
    allowed = 2 * plain + roundoff + 2.0**-24 * math.sqrt(math.prod(SHAPE[:3]))
    assert (fast <= allowed).all(), f"errors {fast}, of the plain step {plain}"
