"""Files of other programs for the tests, and what a network filled from one has to give."""

import subprocess
import sys

import numpy as np

from tests.helpers import ROOT
from tests.helpers.random_weights import random_weights


def make_foreign_files(folder, library):
    """Fill a folder with the files of `foreign_network.py`, made with tf_keras or keras."""
    script = ROOT / "tests" / "helpers" / "foreign_network.py"
    command = [sys.executable, script, folder, library]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def scrambled(model):
    """Set other weights in every place; returns them."""
    random_weights(model, seed=9)
    return [value.copy() for value in model.get_weights()]


def unchanged(model, before):
    return all(np.array_equal(a, b) for a, b in zip(model.get_weights(), before, strict=True))


# Networks with the weights of another one, whose logits are those in the file.
_SAME = {
    "nested": "second",
    "stride8first": "second",
    "stride16first": "second",
    "tiny_stride16first": "tiny",
}


def assert_same_logits(model, folder, name):
    """The network gives the logits that the other program computed."""
    name = _SAME.get(name, name)
    wanted = np.load(folder / "logits.npz")
    for logits in model(wanted["image"].astype("float32")):
        there = wanted[f"{name}_{64 // logits.shape[1]}"]
        assert there.std() > 0.1
        np.testing.assert_allclose(np.reshape(logits, there.shape), there, atol=1e-4)
