"""Networks of two classes and their weights, made once."""

import shutil

import pytest

from tests.helpers.random_weights import random_weights
from tests.helpers.some_networks import CONFIG
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import format_anchors
from yolo4.run import Run


@pytest.fixture(scope="session")
def untrained():
    from yolo4.build import build_model  # not above: most tests need no Keras

    return build_model(CONFIG, 2)


@pytest.fixture
def two(untrained):
    """A network of two classes with random weights, for tests to fill."""
    return random_weights(untrained, seed=2)


@pytest.fixture(scope="session")
def trained():
    """Another network of two classes; no test changes it."""
    from yolo4.build import build_model

    return random_weights(build_model(CONFIG, 2), seed=1)


@pytest.fixture(scope="session")
def weights(trained, tmp_path_factory):
    from yolo4.build import save_weights

    path = tmp_path_factory.mktemp("weights") / "two.weights.h5"
    save_weights(trained, path)
    return path


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
