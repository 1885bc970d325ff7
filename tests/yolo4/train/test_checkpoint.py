"""The state of a training: everything is restored, and a write is atomic."""

import contextlib
import json
import re

import keras
import numpy as np
import pytest

from utils.errors import UserError
from yolo4.run import Run
from yolo4.train.checkpoint import (
    Progress,
    averaged_weights,
    load_progress,
    load_state,
    recover_progress,
    save_state,
)
from yolo4.train.optimizer import SGD, Adam

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


def variables(model):
    return [*model.weights, *model.optimizer.variables]


def everything(model):
    return [keras.ops.convert_to_numpy(value) for value in variables(model)]


def assert_same(found, expected):
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
@pytest.mark.parametrize("accumulate", [None, 3])
def test_training_resumes_as_if_it_had_never_stopped(
    tmp_path, precision_policy, precision, accumulate
):
    precision_policy(precision)
    options = {"gradient_accumulation_steps": accumulate, "global_clipnorm": 1.0}
    whole = compiled(network(), **options)
    train(whole, 0, 4)
    save_state(tmp_path / "state.npz", whole, Progress(epoch=1))
    stored = everything(whole)
    train(whole, 4, 3)

    again = compiled(network(seed=1), **options)
    load_state(tmp_path / "state.npz", again, optimizer=True)
    assert_same(everything(again), stored)
    train(again, 4, 3)
    assert_same(everything(again), everything(whole))
    assert len(everything(again)) > 3 * len(again.trainable_variables)


def test_the_scale_of_the_loss_in_float16_comes_back(tmp_path, precision_policy):
    precision_policy("mixed_float16")
    model = compiled(network())
    model.optimizer.dynamic_scale.assign(512.0)
    save_state(tmp_path / "state.npz", model, Progress())
    again = compiled(network(seed=1))
    assert float(again.optimizer.dynamic_scale) != 512
    load_state(tmp_path / "state.npz", again, optimizer=True)
    assert float(again.optimizer.dynamic_scale) == 512


def test_the_weights_alone_go_to_a_phase_with_another_optimizer(tmp_path):
    frozen = network()
    frozen.get_layer("first").trainable = False
    frozen.get_layer("norm").trainable = False
    train(compiled(frozen), 0, 2)
    save_state(tmp_path / "state.npz", frozen, Progress())
    thawed = compiled(network(seed=1), optimizer=SGD, average=None)
    fresh = [keras.ops.convert_to_numpy(value) for value in thawed.optimizer.variables]
    load_state(tmp_path / "state.npz", thawed, optimizer=False)
    assert_same(thawed.get_weights(), frozen.get_weights())
    assert_same([keras.ops.convert_to_numpy(v) for v in thawed.optimizer.variables], fresh)


def test_progress_comes_back(tmp_path):
    history = [{"epoch": 1, "loss": 0.1 + 0.2, "map50": float("nan")}, {"epoch": 2, "lr": 1e-9}]
    progress = Progress(2, 205, 0.75, 1.5, 1, history=history)
    save_state(tmp_path / "state.npz", compiled(network()), progress)
    found = load_progress(tmp_path / "state.npz")
    assert np.isnan(found.history[0].pop("map50"))
    del history[0]["map50"]
    assert found == progress


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error):
    path = tmp_path / "state.npz"
    model = compiled(network())
    save_state(path, model, Progress(epoch=1))
    old = path.read_bytes()

    def half(file, **arrays):
        file.write(b"half of it")
        raise error

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(error):
        save_state(path, model, Progress(epoch=2))
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


FOREIGN = [
    (None, "no such file"),
    (b"", ".*; expected the state of a training"),
    (b"epoch,loss\n", ".*; expected the state of a training"),
    (b"PK\x03\x04half", ".*; expected the state of a training"),
]


@pytest.mark.parametrize(("data", "message"), FOREIGN)
def test_a_foreign_file_is_refused(tmp_path, data, message):
    path = tmp_path / "state.npz"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(UserError) as caught:
        load_progress(path)
    assert re.fullmatch(f"{path}: {message}", str(caught.value))


@pytest.mark.parametrize("arrays", [{"boxes": 1}, {"progress": json.dumps({"epok": 1})}])
def test_other_arrays_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "state.npz", **arrays)
    with pytest.raises(UserError, match=r"state\.npz: .*; expected the state of a training"):
        load_progress(tmp_path / "state.npz")


def test_the_state_of_another_network_or_optimizer_is_refused(tmp_path):
    path = tmp_path / "state.npz"
    save_state(path, compiled(network()), Progress())
    with pytest.raises(UserError, match=r"state\.npz: the state of another network"):
        load_state(path, compiled(network(width=4)), optimizer=False)
    accumulating = compiled(network(), gradient_accumulation_steps=2)
    with pytest.raises(UserError, match="another network or optimizer"):
        load_state(path, accumulating, optimizer=True)
    save_state(path, accumulating, Progress())
    with pytest.raises(UserError, match="another network or optimizer"):
        load_state(path, compiled(network()), optimizer=True)


@pytest.fixture
def run(tmp_path):
    """A run that has saved two states, after epochs 1 and 2."""
    run, model = Run(tmp_path), compiled(network())
    for epoch in (1, 2):
        train(model, epoch, 1)
        save_state(run.state_file, model, Progress(epoch=epoch))
    return run


class TestPreviousState:
    def test_there_is_one_and_no_other_file(self, run):
        assert {path.name for path in run.folder.iterdir()} == {"state.npz", "state.previous.npz"}
        assert load_progress(run.previous_state_file).epoch == 1

    def test_an_intact_state_needs_no_other(self, run, capsys):
        run.previous_state_file.write_bytes(b"not looked at")
        assert recover_progress(run).epoch == 2
        assert capsys.readouterr().out == ""

    def test_it_takes_the_place_of_one_with_a_flipped_bit_wherever_that_is(self, run, capsys):
        content, previous = run.state_file.read_bytes(), run.previous_state_file.read_bytes()
        for place in np.random.default_rng(0).integers(0, len(content) - 73, 50):
            changed = bytearray(content)
            changed[place] ^= 1 << (place % 8)
            run.state_file.write_bytes(changed)
            run.previous_state_file.write_bytes(previous)
            assert recover_progress(run).epoch == 1
            assert run.state_file.read_bytes() == previous
            assert not run.previous_state_file.exists()
            (line,) = capsys.readouterr().out.splitlines()
            assert line.startswith(f"{run.state_file}: damaged: ")
            assert line.endswith("the state before it, from the end of epoch 1")

    @pytest.mark.parametrize("damage", [None, b"", b"half of it"])
    def test_it_takes_the_place_of_one_that_is_gone_or_cut_off(self, run, damage, capsys):
        run.state_file.unlink()
        if damage is not None:
            run.state_file.write_bytes(damage)
        assert recover_progress(run).epoch == 1
        assert "from the end of epoch 1" in capsys.readouterr().out

    def test_where_both_are_damaged_nothing_changes(self, run):
        run.state_file.write_bytes(b"half")
        run.previous_state_file.write_bytes(b"of it")
        with pytest.raises(UserError, match=r"state\.previous\.npz: .*expected the state of a"):
            recover_progress(run)
        assert run.state_file.read_bytes() == b"half"

    def test_the_first_state_has_none_before_it(self, tmp_path):
        run = Run(tmp_path)
        save_state(run.state_file, compiled(network()), Progress())
        assert list(tmp_path.iterdir()) == [run.state_file]
        run.state_file.write_bytes(b"half")
        with pytest.raises(UserError, match=r"state\.npz: .*; expected the state of a training"):
            recover_progress(run)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # NumPy parses a damaged header as Python
def test_a_damaged_state_of_older_versions_is_one_line_and_nothing_is_restored(tmp_path):
    """It has no checksum of the whole, but each of its arrays has one."""
    path, model = tmp_path / "state.npz", compiled(network())
    save_state(path, model, Progress(epoch=3))
    content = path.read_bytes()[:-73]
    again = compiled(network(seed=1))
    before = everything(again)
    refused = 0
    for place in np.random.default_rng(1).integers(0, len(content), 60):
        changed = bytearray(content)
        changed[place] ^= 0xFF
        path.write_bytes(changed)
        with contextlib.suppress(UserError):
            refused += 1
            load_progress(path)
            load_state(path, again, optimizer=True)
            # A date has changed, or a length that is stored twice.
            refused -= 1
            assert_same(everything(again), everything(model))
            for variable, value in zip(variables(again), before, strict=True):
                variable.assign(value)
        assert_same(everything(again), before)
    assert refused > 30


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
