"""The optimizers give what Keras's own give, in fewer operations."""

import keras
import numpy as np
import pytest

from yolo4.config import Config
from yolo4.train.optimizer import build_optimizer, compiled_by_xla

RATE, DECAY, AVERAGE = 0.05, 0.3, 0.8


def network():
    """A convolution, batch norm and a bias: every kind of variable that YOLOv4 has."""
    keras.utils.set_random_seed(3)
    inputs = keras.Input((6, 6, 2))
    x = keras.layers.Conv2D(4, 3, use_bias=False)(inputs)
    x = keras.layers.BatchNormalization(epsilon=1e-5)(x)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1)(x))


def keras_own(name, accumulate):
    shared = {
        "learning_rate": RATE,
        "global_clipnorm": 0.5,
        "use_ema": True,
        "ema_momentum": AVERAGE ** (1 / accumulate),
        "gradient_accumulation_steps": accumulate if accumulate > 1 else None,
    }
    if name == "adam":
        return keras.optimizers.Adam(beta_1=0.9, **shared)
    shared["weight_decay"] = DECAY
    if name == "sgd":
        made = keras.optimizers.SGD(momentum=0.9, nesterov=True, **shared)
    else:
        made = keras.optimizers.AdamW(beta_1=0.9, **shared)
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def ours(name, accumulate):
    config = Config(
        optimizer=name,
        momentum=0.9,
        weight_decay=DECAY,
        gradient_clip=0.5,
        ema=AVERAGE,
        accumulate=accumulate,
    )
    return build_optimizer(config, RATE)


def trained(optimizer):
    """Weights after seven steps, and then their average."""
    model = network()
    model.compile(optimizer, "mse", jit_compile=False)
    rng = np.random.default_rng(0)
    for _ in range(7):
        model.train_on_batch(rng.normal(size=(4, 6, 6, 2)), rng.normal(size=(4, 4, 4, 1)))
    weights = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    return weights, model.get_weights()


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_weights_and_their_average_are_those_of_keras(name, accumulate):
    found, expected = trained(ours(name, accumulate)), trained(keras_own(name, accumulate))
    for ours_, theirs in zip(found, expected, strict=True):
        for a, b in zip(ours_, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5 * np.abs(b).max())
    assert any(not np.allclose(a, b, atol=1e-3) for a, b in zip(*found, strict=True))


@pytest.mark.quick
def test_without_an_average_the_weights_stay():
    optimizer = build_optimizer(Config(ema=None), RATE)
    model = network()
    optimizer.build(model.trainable_variables)
    before = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.quick
@pytest.mark.parametrize(
    ("backend", "gpus", "compiled"),
    [
        ("tensorflow", [], "the loss and the gradient of Mish"),
        ("tensorflow", ["gpu:0"], "the whole step"),
        ("jax", [], "the whole step"),
        ("torch", ["gpu:0"], "nothing"),
    ],
)
def test_what_is_compiled_depends_on_backend_and_device(monkeypatch, backend, gpus, compiled):
    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: gpus)
    assert compiled_by_xla() == compiled
