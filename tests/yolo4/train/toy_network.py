"""A network of two layers, and an optimizer with everything that a state has to keep."""

import keras
import numpy as np

from yolo4.train.optimizer.optimizers import Adam

MOMENTUM = 0.75


def network(seed=0, width=3):
    """Two layers with trainable and other weights."""
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((2,))
    hidden = keras.layers.BatchNormalization(name="norm")(
        keras.layers.Dense(width, name="first")(inputs)
    )
    return keras.Model(inputs, keras.layers.Dense(1, name="second")(hidden))


def compiled(model, average=MOMENTUM, optimizer=Adam, **options):
    model.compile(
        optimizer(
            learning_rate=0.05,
            decay=0.1,
            average=average,
            slowed=model.get_layer("first").variables,
            fraction=0.2,
            **options,
        ),
        "mse",
        jit_compile=False,
        run_eagerly=True,
    )
    model.optimizer.build(model.trainable_variables)
    return model


def train(model, first, steps):
    """Steps on data that depends on their number alone."""
    for step in range(first, first + steps):
        rng = np.random.default_rng(step)
        model.train_on_batch(rng.normal(size=(4, 2)), rng.normal(size=(4, 1)))


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
