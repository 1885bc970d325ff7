"""The control's weights differ from the reference's by a millionth, once and only before step 1."""

import keras
import numpy as np
import pytest

from yolo4.compare.running.control import PerturbWeights
from yolo4.run import Run
from yolo4.train.state.checkpoint import save_state
from yolo4.train.state.progress import Progress

pytestmark = pytest.mark.quick


def network():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(200), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def begin(folder, progress, seed=0):
    """Weights before and after a training begins."""
    model, run = network(), Run(folder)
    save_state(run.state_file, model, progress)
    before = model.get_weights()
    callback = PerturbWeights(run, seed)
    callback.set_model(model)
    callback.on_train_begin()
    return np.concatenate([w.ravel() for w in before]), np.concatenate(
        [w.ravel() for w in model.get_weights()]
    )


def test_an_untrained_network_is_changed_by_a_millionth(tmp_path):
    before, after = begin(tmp_path, Progress())
    relative = after / before - 1
    # 1001 normal numbers: their standard deviation is known to 2.2%; float32 rounds to 6e-8.
    assert np.std(relative) == pytest.approx(1e-6, rel=0.1)
    assert abs(np.mean(relative)) < 4e-6 / 1001**0.5


def test_the_change_is_that_of_the_seed(tmp_path):
    one, again, other = (begin(tmp_path, Progress(), seed)[1] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


@pytest.mark.parametrize("progress", [Progress(epoch=1), Progress(step=1)])
def test_a_training_that_has_begun_is_not_changed(tmp_path, progress):
    before, after = begin(tmp_path, progress)
    np.testing.assert_array_equal(before, after)
