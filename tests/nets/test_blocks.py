import keras
import numpy as np
import pytest
from keras import ops

from nets.batch_norm import BatchNorm, mish, normalize_batch
from nets.blocks import spp

pytestmark = pytest.mark.quick


def gradient(function, x):
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
        gradient(mish, x), gradient(keras.activations.mish, x), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize(("dtype", "precision"), [("bfloat16", 2**-8), ("float16", 2**-11)])
def test_mish_gradient_in_half_precision_is_the_float32_one_rounded(dtype, precision):
    x = ops.cast(np.linspace(-12, 12, 481), dtype)
    exact = gradient(keras.activations.mish, ops.cast(x, "float32"))
    np.testing.assert_allclose(ops.cast(gradient(mish, x), "float32"), exact, precision, 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_mish_is_finite_far_out(dtype):
    x = ops.cast([-1e4, -100.0, 0.0, 100.0, 1e4], dtype)
    value, at_x = ops.cast(mish(x), "float32"), ops.cast(gradient(mish, x), "float32")
    np.testing.assert_allclose(value, [0, 0, 0, 100, ops.cast(x[-1], "float32")], atol=1e-6)
    np.testing.assert_allclose(at_x, [0, 0, 0.6, 1, 1], atol=2e-3)


def test_spp_is_three_maxima_side_by_side():
    x = np.random.default_rng(0).normal(size=(2, 16, 11, 3)).astype(np.float32)
    pooled = [keras.layers.MaxPooling2D(k, 1, "same")(x) for k in (13, 9, 5)]
    np.testing.assert_array_equal(spp(ops.convert_to_tensor(x)), np.concatenate([*pooled, x], -1))


def with_statistics(layer):
    """The layer with 3 channels and other weights than an untrained one."""
    if not layer.built:
        layer.build((None, 6, 5, 3))
    layer.set_weights(list(np.random.default_rng(1).uniform(0.5, 1.5, (4, 3))))
    return layer


def trained_batch_norm(layer, x, training=True):
    """Output, input gradient, gamma and beta gradients, moving statistics after a call."""
    import tensorflow as tf

    if not layer.built:
        layer.build(x.shape)
    layer.gamma.assign(np.linspace(0.5, 1.5, x.shape[-1]))
    x = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=training)
        loss = tf.reduce_sum(tf.cast(y, "float32") ** 3)
    gradients = tape.gradient(loss, [x, layer.gamma.value, layer.beta.value])
    return [y, *gradients, layer.moving_mean, layer.moving_variance]


class ThenMish(keras.layers.BatchNormalization):
    """Keras's batch normalization and its Mish."""

    def call(self, inputs, training=None):
        return keras.activations.mish(super().call(inputs, training=training))


@pytest.mark.parametrize(
    ("activation", "plain"), [("linear", keras.layers.BatchNormalization), ("mish", ThenMish)]
)
@pytest.mark.parametrize("gpus", [[], ["gpu:0"]])
def test_fused_batch_norm_trains_as_keras_batch_norm(monkeypatch, activation, plain, gpus):
    x = np.random.default_rng(0).normal(1, 2, (4, 6, 5, 3)).astype(np.float32)
    options = {"momentum": 0.9, "epsilon": 1e-3}
    theirs = trained_batch_norm(plain(**options), x)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: gpus)
    ours = trained_batch_norm(BatchNorm(activation, **options), x)
    count = 4 * 6 * 5
    theirs[-1] = 0.9 + (theirs[-1] - 0.9) * count / (count - 1)  # biased there, unbiased here
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_batch_norm_uses_moving_statistics_outside_training_and_when_frozen():
    x = np.random.default_rng(0).normal(1, 2, (4, 6, 5, 3)).astype(np.float32)
    layer, mishes = BatchNorm(epsilon=1e-5), BatchNorm("mish", epsilon=1e-5)
    expected = x / np.sqrt(1 + 1e-5)
    activated = keras.activations.mish(expected)
    np.testing.assert_allclose(layer(x), expected, rtol=1e-6)
    np.testing.assert_allclose(mishes(x), activated, rtol=1e-5)
    layer.trainable = mishes.trainable = False
    np.testing.assert_allclose(layer(x, training=True), expected, rtol=1e-6)
    np.testing.assert_allclose(mishes(x, training=True), activated, rtol=1e-5)
    np.testing.assert_array_equal(layer.moving_mean, 0)


@pytest.mark.parametrize("activation", ["linear", "mish"])
@pytest.mark.parametrize(
    # Some roundings of terms of up to 32 in float32; neighboring numbers in bfloat16.
    ("policy", "rtol", "atol"),
    [("float32", 0, 2.0**-16), ("mixed_bfloat16", 2.0**-6, 2.0**-16)],
)
def test_with_frozen_statistics_training_computes_what_inference_does(
    precision_policy, activation, policy, rtol, atol
):
    precision_policy(policy)
    layer = with_statistics(BatchNorm(activation, epsilon=1e-3))
    x = ops.cast(np.random.default_rng(0).normal(1, 2, (4, 6, 5, 3)), layer.compute_dtype)
    inference = ops.cast(layer(x, training=False), "float32")
    assert not np.allclose(inference, ops.cast(layer(x, training=True), "float32"), atol=0.1)
    layer = with_statistics(layer)
    layer.frozen_statistics = True
    training = ops.cast(layer(x, training=True), "float32")
    np.testing.assert_allclose(training, inference, rtol, atol)


@pytest.mark.parametrize(
    ("activation", "plain"), [("linear", keras.layers.BatchNormalization), ("mish", ThenMish)]
)
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_with_frozen_statistics_the_gradients_are_those_of_keras_in_inference(
    monkeypatch, activation, plain, backend
):
    x = np.random.default_rng(0).normal(1, 2, (4, 6, 5, 3)).astype(np.float32)
    results = []
    for layer in (plain(epsilon=1e-3), BatchNorm(activation, epsilon=1e-3)):
        layer = with_statistics(layer)
        before = [np.array(layer.moving_mean), np.array(layer.moving_variance)]
        if isinstance(layer, BatchNorm):
            layer.frozen_statistics = True
            monkeypatch.setattr(keras.backend, "backend", lambda: backend)
        results.append(trained_batch_norm(layer, x, training=isinstance(layer, BatchNorm)))
        for found, expected in zip(results[-1][-2:], before, strict=True):
            np.testing.assert_array_equal(found, expected)
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_an_untrained_batch_norm_has_no_statistics():
    layer = BatchNorm()
    layer.build((None, 4, 4, 2))
    assert not layer.has_statistics
    layer.moving_variance.assign([1, 1.5])
    assert layer.has_statistics


def test_batch_norm_knows_its_type_and_is_made_again_as_it_was(precision_policy):
    precision_policy("mixed_bfloat16")
    layer = BatchNorm("mish", epsilon=1e-4)
    assert layer(keras.Input((5, 5, 4))).dtype == "bfloat16"
    assert layer.output.shape == (None, 5, 5, 4)
    again = BatchNorm.from_config(layer.get_config())
    assert (again.activation, again.epsilon) == ("mish", 1e-4)


def test_batch_norm_of_other_backends_is_the_fused_one(monkeypatch):
    x = np.random.default_rng(0).normal(1, 2, (4, 6, 5, 3)).astype(np.float32)
    gamma, beta = np.array([0.5, 1, 2], np.float32), np.array([0, 1, -1], np.float32)
    moving = np.array([1, 2, 3], np.float32), np.array([3, 2, 1], np.float32)
    fused = normalize_batch(ops.convert_to_tensor(x), gamma, beta, moving, 0.9, 1e-5)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    composed = normalize_batch(ops.convert_to_tensor(x), gamma, beta, moving, 0.9, 1e-5)
    assert composed.residuals is None
    for a, b in zip((fused.y, *fused.moving), (composed.y, *composed.moving), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(fused.residuals.mean, x.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(fused.residuals.variance, x.var((0, 1, 2)) + 1e-5, rtol=1e-5)
