"""Shared by the tests of Darknet's files."""

import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference as reference
from tests.helpers.random_weights import random_weights
from tests.yolo4.weights.darknet.slim_network import SHAPE, SLIM


@pytest.fixture(scope="session")
def trained():
    """A network of three classes; no test changes it."""
    return random_weights(YOLOv4(3, **SLIM, input_shape=SHAPE), seed=1)


@pytest.fixture(scope="session")
def numbers(trained):
    return np.frombuffer(reference.weights(trained)[20:], "<f4")


@pytest.fixture(scope="session")
def empty():
    """Another network of three classes, for tests to fill."""
    return YOLOv4(3, **SLIM, input_shape=SHAPE)


@pytest.fixture
def model(empty):
    return random_weights(empty, seed=2)
