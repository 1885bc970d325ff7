"""Weights of this project and of other programs, made once for all tests of the room."""

import shutil

import pytest

from nets.networks import YOLOV4_TINY
from nets.yolov4 import YOLOv4
from tests.helpers.foreign_files import make_foreign_files
from tests.helpers.random_weights import random_weights
from tests.helpers.yolov4 import COCO_ANCHORS
from tests.yolo4.weights.some_networks import CONFIG
from utils.anchors import format_anchors
from yolo4.build import build_model, save_weights
from yolo4.config import Config
from yolo4.run import Run
from yolo4.weights.keras2 import keras2_settings


@pytest.fixture(scope="session")
def of_keras2(tmp_path_factory):
    return make_foreign_files(tmp_path_factory.mktemp("keras2"), "tf_keras")


@pytest.fixture(scope="session")
def of_keras3(tmp_path_factory):
    return make_foreign_files(tmp_path_factory.mktemp("keras3"), "keras")


@pytest.fixture(scope="module")
def network():
    """YOLOv4 in the size of these files."""
    return build_model(Config(width=0.125, depth=0.1, input_size=64, **keras2_settings()), 3)


@pytest.fixture(scope="module")
def tiny():
    """YOLOv4-tiny in the size of these files."""
    return YOLOv4(3, 0.125, 1.0, (64, 64), epsilon=1e-3, network=YOLOV4_TINY)


@pytest.fixture(scope="module")
def trained():
    """A network of two classes; no test changes it."""
    return random_weights(build_model(CONFIG, 2), seed=1)


@pytest.fixture(scope="module")
def weights(trained, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "two.weights.h5"
    save_weights(trained, path)
    return path


@pytest.fixture(scope="module")
def two():
    """Another network of two classes, for tests to fill."""
    return build_model(CONFIG, 2)


@pytest.fixture
def run(tmp_path, weights):
    """A run of two classes with those weights as its best."""
    run = Run(tmp_path / "run")
    run.folder.mkdir()
    run.config_file.write_text(CONFIG.to_json())
    run.classes_file.write_text("cat\ndog\n")
    run.anchors_file.write_text(format_anchors(COCO_ANCHORS) + "\n")
    shutil.copy(weights, run.best_weights)
    return run
