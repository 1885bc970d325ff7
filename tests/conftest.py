"""Shared by all tests."""

import os

import hypothesis
import matplotlib
import pytest

from yolo4.environment.onednn import prefer_onednn

# Before any test imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
prefer_onednn()

# Deadlines measure the machine, not the code.
hypothesis.settings.register_profile("project", deadline=None, max_examples=50)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session", autouse=True)
def _cache_of_its_own(tmp_path_factory):
    """Leave the user's cache folder alone, but for Matplotlib's list of fonts, slow to make."""
    os.environ.setdefault("MPLCONFIGDIR", matplotlib.get_cachedir())
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def precision_policy():
    """Sets a Keras precision policy for one test."""
    import keras

    yield keras.mixed_precision.set_global_policy
    keras.mixed_precision.set_global_policy("float32")
