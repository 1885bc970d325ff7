"""Averaged weights: what they are, and what exchanging them leaves alone."""

import keras
import numpy as np
import pytest

from tests.yolo4.train.toy_network import MOMENTUM, assert_same, compiled, network, train
from yolo4.train.optimizer.optimizers import averaged_weights


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_averaged_weights_are_those_within_the_block_alone(precision_policy, precision):
    precision_policy(precision)
    model = compiled(network())
    averages = None
    for step in range(3):
        train(model, step, 1)
        raw = [keras.ops.convert_to_numpy(value) for value in model.trainable_variables]
        share = 1 if averages is None else 1 - MOMENTUM
        averages = averages or raw
        averages = [a + share * (r - a) for a, r in zip(averages, raw, strict=True)]
    before = model.get_weights()
    with averaged_weights(model):
        for value, average in zip(model.trainable_variables, averages, strict=True):
            np.testing.assert_allclose(value.numpy(), average, rtol=1e-4, atol=1e-6)
        assert not np.array_equal(model.get_weights()[0], before[0])
    assert_same(model.get_weights(), before)


def test_weights_return_after_an_error_in_the_block():
    model = compiled(network())
    train(model, 0, 3)
    before = model.get_weights()
    with pytest.raises(KeyboardInterrupt), averaged_weights(model):
        raise KeyboardInterrupt
    assert_same(model.get_weights(), before)


def test_without_averages_the_weights_stay():
    model = compiled(network(), average=None)
    train(model, 0, 2)
    before = model.get_weights()
    with averaged_weights(model):
        assert_same(model.get_weights(), before)


def test_moving_statistics_of_batch_normalization_are_not_averaged():
    model = compiled(network())
    train(model, 0, 3)
    before = [value.numpy() for value in model.non_trainable_variables]
    assert len(before) == 2
    with averaged_weights(model):
        assert_same([value.numpy() for value in model.non_trainable_variables], before)


@pytest.mark.parametrize("average", [None, MOMENTUM])
def test_averaging_copies_nothing_to_numpy(average, monkeypatch):
    model = compiled(network(), average=average)
    train(model, 0, 2)

    def refuse(*_, **__):
        raise AssertionError("a copy in NumPy")

    with monkeypatch.context() as patch:
        patch.setattr(keras.ops, "convert_to_numpy", refuse)
        patch.setattr(keras.Variable, "numpy", refuse)
        patch.setattr(keras.Variable, "__array__", refuse)
        with averaged_weights(model):
            pass


@pytest.mark.parametrize("average", [None, MOMENTUM])
def test_weights_are_assigned_only_if_there_are_averages(average, monkeypatch):
    model = compiled(network(), average=average)
    train(model, 0, 2)
    assigned = []
    monkeypatch.setattr(keras.Variable, "assign", lambda variable, _: assigned.append(variable))
    with averaged_weights(model):
        pass
    assert bool(assigned) == (average is not None)
