"""Weights of other programs, made once for all tests of the room."""

import pytest

from nets.networks import YOLOV4_TINY
from nets.yolov4 import YOLOv4
from tests.helpers.foreign_files import make_foreign_files
from tests.helpers.shared import made_once
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.weights.keras2 import keras2_settings


@pytest.fixture(scope="session")
def of_keras2(tmp_path_factory):
    return made_once(
        tmp_path_factory, "keras2", lambda folder: make_foreign_files(folder, "tf_keras")
    )


@pytest.fixture(scope="session")
def of_keras3(tmp_path_factory):
    return made_once(tmp_path_factory, "keras3", lambda folder: make_foreign_files(folder, "keras"))


@pytest.fixture(scope="module")
def network():
    """YOLOv4 in the size of these files."""
    return build_model(Config(width=0.125, depth=0.1, input_size=64, **keras2_settings()), 3)


@pytest.fixture(scope="module")
def tiny():
    """YOLOv4-tiny in the size of these files."""
    return YOLOv4(3, 0.125, 1.0, (64, 64), epsilon=1e-3, network=YOLOV4_TINY)
