import keras
import numpy as np
import pytest
from keras import ops

from nets.blocks import Mish, mish, spp


def slope(function, x):
    """Gradient of the sum of `function(x)`, by the backend's automatic differentiation."""
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(x))
    return tape.gradient(total, x).numpy()


def test_mish_is_keras_mish_in_value_and_gradient():
    x = np.linspace(-30, 30, 1201, dtype=np.float32)
    np.testing.assert_allclose(mish(x), keras.activations.mish(x), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(
        slope(mish, x), slope(keras.activations.mish, x), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_mish_is_finite_far_out(dtype):
    x = ops.cast([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)
    value, gradient = ops.cast(mish(x), "float32"), ops.cast(slope(mish, x), "float32")
    np.testing.assert_allclose(value, [0, 0, 0, 100, ops.cast(x[-1], "float32")], atol=1e-6)
    np.testing.assert_allclose(gradient, [0, 0, 0.6, 1, 1], atol=2e-3)


def test_mish_layer_is_mish_and_knows_its_type(precision_policy):
    precision_policy("mixed_bfloat16")
    x = keras.Input((4,))
    assert Mish()(x).dtype == "bfloat16"
    assert Mish()(x).shape == (None, 4)


def test_spp_is_three_maxima_side_by_side():
    x = np.random.default_rng(0).normal(size=(2, 16, 11, 3)).astype(np.float32)
    pooled = [keras.layers.MaxPooling2D(k, 1, "same")(x) for k in (13, 9, 5)]
    np.testing.assert_array_equal(spp(ops.convert_to_tensor(x)), np.concatenate([*pooled, x], -1))
