"""The state of a training: everything is restored, and a write is atomic."""

import contextlib
import json

import keras
import numpy as np
import pytest

from tests.yolo4.train.toy_network import assert_same, compiled, network, train
from utils.errors import UserError
from yolo4.train.optimizer.optimizers import SGD
from yolo4.train.state.checkpoint import load_state, save_state
from yolo4.train.state.progress import Progress, load_progress


def variables(model):
    return [*model.weights, *model.optimizer.variables]


def everything(model):
    return [keras.ops.convert_to_numpy(value) for value in variables(model)]


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


@pytest.mark.parametrize(
    ("key", "found", "here"),
    [("weight_2", "norm/beta", "norm/gamma"), ("optimizer_2", "velocity", "momentum")],
)
def test_variables_of_other_names_are_refused(tmp_path, key, found, here):
    path, model = tmp_path / "state.npz", compiled(network())
    save_state(path, model, Progress())
    with np.load(path) as stored:
        arrays = dict(stored)
    names = json.loads(str(arrays["names"]))
    assert names[key] == here
    np.savez(path, **arrays | {"names": json.dumps(names | {key: found})})
    again = compiled(network(seed=1))
    before = everything(again)
    with pytest.raises(UserError, match=f"describes: its {key} is {found}, here it is {here}$"):
        load_state(path, again, optimizer=True)
    assert_same(everything(again), before)

    del arrays["names"]  # as in states of older versions
    np.savez(path, **arrays)
    load_state(path, again, optimizer=True)
    assert_same(everything(again), everything(model))


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
