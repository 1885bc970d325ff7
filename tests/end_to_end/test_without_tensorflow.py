"""Training and prediction with Keras on JAX where TensorFlow is not installed."""

import json
import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from yolo4.run import Run
from yolo4.sample_data.make import make_sample_data

# Python executes this file when it starts, the children of a command too.
_HIDE = """
from importlib.machinery import PathFinder

find_any = PathFinder.find_spec

def find(name, path=None, target=None):
    return None if name in ("tensorflow", "tensorboard") else find_any(name, path, target)

PathFinder.find_spec = find
"""
# The network whose step JAX compiles fastest; the state is saved within the epoch, too.
_SETTINGS = (
    "--preset tiny --width 0.0625 --input-size 64 --batch-size 2 --eval-period 1 --epochs 1 "
    "--save-minutes 0.001"
)

_INTERRUPTED = """
import keras
import numpy as np
from yolo4.train.optimizer.optimizers import Adam

inputs = keras.Input((4,))
model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
model.compile(Adam(decay=0.1, average=0.9), "mse")
model.optimizer.build(model.trainable_variables)
step = model.make_train_function() or model.train_function
calls = []

def interrupted(state, batches):
    result = step(state, batches)
    calls.append(result)
    if len(calls) == 2:
        raise KeyboardInterrupt("the user's")
    return result

model.train_function = interrupted
try:
    model.fit(np.ones((9, 4)), np.ones((9, 1)), batch_size=3, verbose=0)
except KeyboardInterrupt as interrupt:
    print(interrupt)
"""


@pytest.fixture(scope="module")
def call(tmp_path_factory):
    """Runs Python without TensorFlow; returns what it printed."""
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "sitecustomize.py").write_text(_HIDE)
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = {**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax"}

    def run(*arguments):
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_a_network_is_trained_and_finds_objects(tmp_path, call):
    data = make_sample_data(tmp_path / "data", train=8, val=2, test=2, size=96)
    run = Run(tmp_path / "run")
    call(ROOT / "train.py", "--data", data, "--run-dir", run.folder, *_SETTINGS.split())
    assert run.config().ema is not None
    assert run.best_weights.is_file()
    assert run.progress_page.is_file()
    assert not run.events_folder.exists()
    assert float(run.history_file.read_text().splitlines()[1].split(",")[4]) > 0
    found = tmp_path / "found"
    printed = call(ROOT / "predict.py", data / "JPEGImages", "--run", run.folder, "--output", found)
    assert "TensorFlow, which writes the network for openvino, is not installed" in printed
    assert "Keras float32" in printed
    entries = json.loads((found / "detections.json").read_text(encoding="utf-8"))
    assert len(entries) == 12


def test_ctrl_c_reaches_the_caller_of_fit_while_jax_has_the_arrays(call):
    assert call("-c", _INTERRUPTED) == "the user's\n"
