"""The learning rate against its closed form."""

import math
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from yolo4.config import Config
from yolo4.train.optimizer.compile import build_optimizer, compile_for_phase
from yolo4.train.optimizer.schedule import EpochSchedule

PEAK, EPOCHS, WARMUP, LOW, STEPS = 0.1, 20, 4, 0.05, 10


def schedule(kind="cosine", **changed):
    arguments = {
        "peak": PEAK,
        "kind": kind,
        "epochs": EPOCHS,
        "warmup_epochs": WARMUP,
        "min_fraction": LOW,
        "first_epoch": 0,
        "steps_per_epoch": STEPS,
    }
    return EpochSchedule(**(arguments | changed))


def rates(chosen, steps):
    return np.array([float(chosen(step)) for step in steps])


def after(epoch):
    """The last step before so many epochs are done."""
    return round(epoch * STEPS) - 1


@pytest.mark.parametrize("kind", ["cosine", "step"])
def test_warm_up_rises_from_the_first_step(kind):
    expected = PEAK * (np.arange(WARMUP * STEPS) + 1) / (WARMUP * STEPS)
    np.testing.assert_allclose(rates(schedule(kind), range(WARMUP * STEPS)), expected, rtol=1e-5)


def test_cosine_at_its_start_quarters_and_end():
    def expected(part):
        return PEAK * (LOW + (1 - LOW) * (1 + math.cos(math.pi * part)) / 2)

    for part in (0, 0.25, 0.5, 0.75, 1):
        step = after(WARMUP + part * (EPOCHS - WARMUP))
        assert float(schedule()(step)) == pytest.approx(expected(part), rel=1e-5)
    assert float(schedule()(after(EPOCHS))) == pytest.approx(LOW * PEAK, rel=1e-5)


def test_cosine_falls_from_the_peak_to_the_end_and_stays():
    falling = rates(schedule(), range(after(WARMUP), after(EPOCHS) + 1))
    assert falling[0] == pytest.approx(PEAK)
    assert (np.diff(falling) < 0).all()
    np.testing.assert_allclose(rates(schedule(), [after(EPOCHS) + 5, 10_000]), LOW * PEAK, 1e-5)


def test_steps_fall_to_a_tenth_after_80_and_90_percent():
    drops = rates(schedule("step"), range(after(WARMUP), EPOCHS * STEPS)) / PEAK
    expected = np.ones(len(drops))
    expected[after(16) + 1 - after(WARMUP) :] = 0.1
    expected[after(18) + 1 - after(WARMUP) :] = 0.01
    np.testing.assert_allclose(drops, expected, rtol=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "step"])
@pytest.mark.parametrize("boundary", [2, 7, 17])
def test_a_second_phase_goes_on_where_the_first_ended(kind, boundary):
    whole = rates(schedule(kind), range(EPOCHS * STEPS))
    second = schedule(kind, first_epoch=boundary)
    rest = rates(second, range((EPOCHS - boundary) * STEPS))
    np.testing.assert_allclose(rest, whole[boundary * STEPS :], rtol=1e-5)


def test_a_second_phase_with_other_steps_agrees_at_the_ends_of_epochs():
    """Another batch size means more or fewer steps, but the same rate after the same epoch."""
    second = schedule(first_epoch=7, steps_per_epoch=3 * STEPS)
    for epoch in range(8, EPOCHS + 1):
        step = (epoch - 7) * 3 * STEPS - 1
        assert float(second(step)) == pytest.approx(float(schedule()(after(epoch))), rel=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "step"])
def test_the_peak_scales_everything(kind):
    steps = range(0, EPOCHS * STEPS, 7)
    double = rates(schedule(kind, peak=2 * PEAK), steps)
    np.testing.assert_allclose(double, 2 * rates(schedule(kind), steps), rtol=1e-6)


@pytest.mark.parametrize("kind", ["cosine", "step"])
def test_without_warm_up_it_begins_at_the_peak(kind):
    first = float(schedule(kind, warmup_epochs=0)(0))
    assert first == pytest.approx(PEAK, rel=1e-3)


@pytest.mark.parametrize("kind", ["cosine", "step"])
def test_a_warm_up_longer_than_the_training_only_rises(kind):
    found = rates(schedule(kind, warmup_epochs=4 * EPOCHS), range(10 * STEPS))
    assert (np.diff(found) > 0).all()
    assert found[-1] == pytest.approx(PEAK * 10 / (4 * EPOCHS), rel=1e-4)


def test_it_can_be_made_again_from_what_it_says_of_itself():
    again = EpochSchedule.from_config(schedule("step", first_epoch=3).get_config())
    assert again.arguments == schedule("step", first_epoch=3).arguments


class OneLayer(keras.Sequential):
    """A layer with a kernel and a bias, as a network without a backbone."""

    def __init__(self, **options):
        super().__init__([keras.Input((1,)), keras.layers.Dense(1, **options)])

    def backbone_layers(self):
        return []


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "factor"), [(16, 1, 1), (8, 1, 0.5), (64, 1, 4), (4, 2, 0.5)]
)
def test_the_rate_of_a_training_is_scaled_by_the_images_per_update(batch_size, accumulate, factor):
    config = Config(epochs=EPOCHS, warmup_epochs=WARMUP, learning_rate=0.02, accumulate=accumulate)
    model = OneLayer()
    compile_for_phase(model, config, 0, 320 // batch_size, batch_size)
    calls = model.optimizer.variables[0]  # `iterations` counts updates instead
    calls.assign(WARMUP * 320 // batch_size - 1)
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02 * factor, rel=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("decay", [0, 0.5])
def test_weight_decay_acts_on_kernels_only_and_not_under_adam(name, decay):
    config = Config(optimizer=name, weight_decay=float(decay), warmup_epochs=0.0, ema=None)
    model = OneLayer(kernel_initializer="ones", bias_initializer="ones")
    layer = model.layers[0]
    compile_for_phase(model, config, 0, 10, 16)
    still = [keras.ops.zeros_like(variable) for variable in model.trainable_variables]
    model.optimizer.apply(still, model.trainable_variables)
    assert float(layer.bias[0]) == 1
    assert (float(layer.kernel[0, 0]) < 1) == (decay > 0 and name != "adam")


def test_the_average_counts_updates_not_accumulated_steps():
    twice = build_optimizer(Config(ema=0.81, accumulate=2), 0.1)
    assert twice.average == pytest.approx(0.9)
    assert build_optimizer(Config(ema=0.81), 0.1).average == 0.81
    assert build_optimizer(Config(ema=None), 0.1).average is None


@pytest.mark.parametrize(
    ("backend", "gpus", "expected"),
    [("tensorflow", [], False), ("tensorflow", ["gpu:0"], "auto"), ("jax", None, "auto")],
)
def test_the_step_is_compiled_whole_unless_tensorflow_has_only_a_cpu(
    monkeypatch, backend, gpus, expected
):
    def list_devices(kind):
        if gpus is None:
            raise RuntimeError("JAX does so if there is no such device")
        return gpus

    monkeypatch.setattr(keras.backend, "backend", lambda: backend)
    monkeypatch.setattr(keras.distribution, "list_devices", list_devices)
    model = SimpleNamespace(
        compile=lambda optimizer, jit_compile: setattr(model, "jit", jit_compile),
        optimizer=SimpleNamespace(build=lambda variables: None),
        backbone_layers=list,
        trainable_variables=[],
    )
    compile_for_phase(model, Config(), 0, 10, 8)
    assert model.jit == expected
