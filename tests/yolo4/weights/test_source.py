"""Weights to start from: each kind of file, and the errors that name what does not go together."""

import dataclasses
import shutil

import h5py
import keras
import numpy as np
import pytest

from tests.helpers import darknet_reference
from tests.helpers.random_weights import random_weights
from utils.anchors import COCO_ANCHORS, format_anchors
from utils.errors import UserError
from yolo4.build import build_model, save_weights
from yolo4.config import Config
from yolo4.run import Run
from yolo4.weights import start
from yolo4.weights.keras3 import class_count_of
from yolo4.weights.start import check_weights, start_from

CONFIG = Config(width=0.05, depth=0.1, input_size=64)


def equal(found, wanted):
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


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


@pytest.fixture(scope="module", params=[{"width": 0.125}, {"depth": 0.3}])
def other(request):
    """A network of another width or depth."""
    return build_model(dataclasses.replace(CONFIG, **request.param), 2)


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


class TestOwnFiles:
    def test_weights_of_the_same_network_all_fit(self, two, trained, weights):
        random_weights(two, seed=2)
        count = len(two.convolutions())
        assert start_from(two, str(weights)) == (
            f"loaded {count} of {count} convolutions from {weights}"
        )
        assert equal(two.get_weights(), trained.get_weights())
        assert start_from(two, str(weights)).startswith(f"loaded {count} of"), "equal ones fit too"

    def test_a_run_stands_for_its_best_weights(self, two, trained, run):
        random_weights(two, seed=3)
        assert str(run.best_weights) in start_from(two, str(run.folder))
        assert equal(two.get_weights(), trained.get_weights())

    def test_of_another_class_count_all_but_the_heads_is_loaded_and_they_are_listed(
        self, trained, weights
    ):
        model = random_weights(build_model(CONFIG, 5), seed=4)
        heads = [layer for layer in model.convolutions() if layer.use_bias]
        before = [layer.get_weights() for layer in heads]
        first, second = start_from(model, str(weights)).splitlines()
        count = len(model.convolutions())
        assert first == f"loaded {count - 3} of {count} convolutions from {weights}"
        assert second.startswith("not loaded, as their shapes differ: ")
        assert sorted(second.split(": ")[1].split(", ")) == sorted(layer.name for layer in heads)
        for layer, values in zip(heads, before, strict=True):
            assert equal(layer.get_weights(), values)
        for layer in model.layers:
            if layer.weights and layer not in heads:
                assert equal(layer.get_weights(), trained.get_layer(layer.name).get_weights())

    def test_another_width_or_depth_is_refused_and_nothing_loaded(self, weights, other):
        before = other.get_weights()
        with pytest.raises(UserError, match="another --width or --depth"):
            start_from(other, str(weights))
        assert equal(other.get_weights(), before)

    def test_a_file_that_is_missing_or_no_weights_is_told(self, two, run, tmp_path):
        with pytest.raises(UserError, match=r"none\.weights\.h5: no such weights file"):
            start_from(two, str(tmp_path / "none.weights.h5"))
        text = tmp_path / "text.weights.h5"
        text.write_text("hello")
        with pytest.raises(UserError, match=r"text\.weights\.h5: not a \.weights\.h5 file"):
            start_from(two, str(text))
        other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(3, 3)])
        other.save_weights(tmp_path / "other.weights.h5")
        with pytest.raises(UserError, match=r"other\.weights\.h5: not a \.weights\.h5 file"):
            start_from(two, str(tmp_path / "other.weights.h5"))
        with pytest.raises(UserError, match="not a run folder"):
            start_from(two, str(tmp_path))
        run.best_weights.unlink()
        with pytest.raises(UserError, match="no weights yet"):
            start_from(two, str(run.folder))

    def test_a_name_that_keras_does_not_read_is_told(self, two, weights, tmp_path):
        shutil.copy(weights, tmp_path / "renamed.h5")
        with pytest.raises(UserError, match=r"renamed\.h5: .*ends in \.weights\.h5"):
            start_from(two, str(tmp_path / "renamed.h5"))

    def test_the_class_count_is_read_from_the_file(self, weights):
        assert class_count_of(weights) == 2


class TestOtherFiles:
    @pytest.mark.parametrize("name", ["yolov4.weights", "yolov4.conv.137", "csdarknet53", "x.y"])
    def test_what_is_not_hdf5_is_darknets_whatever_its_name(self, two, trained, tmp_path, name):
        random_weights(two, seed=2)
        path = tmp_path / name
        path.write_bytes(darknet_reference.weights(trained))
        check_weights(str(path))
        count = len(two.convolutions())
        assert start_from(two, str(path)) == f"loaded {count} of {count} convolutions from {path}"
        assert equal(two.get_weights(), trained.get_weights())

    def test_what_is_neither_is_told_as_darknets(self, two, tmp_path):
        (tmp_path / "yolov4.pt").write_bytes(b"PK\3\4 a file of another program")
        for act in (check_weights, lambda weights: start_from(two, weights)):
            with pytest.raises(UserError, match=r"yolov4\.pt: not Darknet weights"):
                act(str(tmp_path / "yolov4.pt"))

    def test_a_keras_2_file_is_known_by_what_it_holds(self, two, weights, tmp_path, monkeypatch):
        path = tmp_path / "yolo4.h5"
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [b"conv2d"]
            file.create_group("conv2d").attrs["weight_names"] = [b"conv2d/kernel:0"]
            file["conv2d/conv2d/kernel:0"] = np.zeros((3, 3, 3, 8))
        monkeypatch.setattr(start, "load_keras2", lambda model, file: f"Keras 2: {file}")
        assert start_from(two, str(path)) == f"Keras 2: {path}"
        with pytest.raises(UserError, match=r"yolo4\.h5: not weights of YOLOv4"):
            check_weights(str(path))
        assert start_from(two, str(weights)).startswith("loaded")

    def test_a_released_name_is_downloaded_unless_there_is_such_a_file(
        self, two, trained, tmp_path, monkeypatch
    ):
        monkeypatch.chdir(tmp_path)
        released = tmp_path / "downloaded.weights"
        released.write_bytes(darknet_reference.weights(trained))
        asked = []
        monkeypatch.setattr(start, "released_file", lambda name: asked.append(name) or released)
        assert start_from(two, "yolov4").endswith(str(released))
        assert asked == ["yolov4"]
        (tmp_path / "yolov4.conv.137").write_bytes(released.read_bytes())
        assert start_from(two, "yolov4.conv.137").endswith("from yolov4.conv.137")
        assert asked == ["yolov4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.weights", "no such weights file"),
        ("text.h5", "not a .weights.h5 file of this network"),
        ("empty.weights", "is empty"),
    ],
)
def test_a_file_without_weights_is_told_before_there_is_a_network(tmp_path, name, message):
    (tmp_path / "text.h5").write_text("hello")
    (tmp_path / "empty.weights").write_bytes(b"")
    with pytest.raises(UserError, match=f"{name}: {message}"):
        check_weights(str(tmp_path / name))
