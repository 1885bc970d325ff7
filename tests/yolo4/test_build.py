"""Weights in and out of the network, and the errors that name what does not go together."""

import dataclasses
import json
from typing import get_args, get_type_hints

import h5py
import keras
import numpy as np
import pytest

from tests.helpers.random_weights import random_weights
from tests.helpers.some_networks import CONFIG, equal
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.errors import UserError
from yolo4 import build as models
from yolo4.build import (
    build_criterion,
    build_model,
    load_run_model,
    save_weights,
    set_precision,
)
from yolo4.config import Config


@pytest.fixture(scope="module", params=[{"width": 0.125}, {"depth": 0.3}])
def other(request):
    """Settings of another network, and that network."""
    return request.param, build_model(dataclasses.replace(CONFIG, **request.param), 2)


class TestRunModel:
    def test_a_run_gives_back_its_weights(self, run, trained):
        found = load_run_model(run)
        assert equal(found.get_weights(), trained.get_weights())
        assert found.input_shape == (None, None, None, 3)
        image = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3)).astype("float32")
        for logits, wanted in zip(found(image), trained(image), strict=True):
            np.testing.assert_array_equal(logits, wanted)

    def test_a_multi_scale_training_has_a_network_for_images_of_any_size(self):
        config = dataclasses.replace(CONFIG, multi_scale=(0.5, 2))
        assert build_model(config, 2).input_shape == (None, None, None, 3)

    @pytest.mark.parametrize("last", [None, b"not looked at"])
    def test_best_weights_come_first_then_the_last(self, run, trained, two, monkeypatch, last):
        monkeypatch.setattr(models, "build_model", lambda *_, **__: random_weights(two, seed=5))
        if last is None:
            run.best_weights.rename(run.last_weights)
        else:
            run.last_weights.write_bytes(last)
        assert equal(load_run_model(run).get_weights(), trained.get_weights())

    def test_another_class_count_is_one_clear_line(self, run):
        run.classes_file.write_text("cat\ndog\nhorse\n")
        with pytest.raises(UserError) as caught:
            load_run_model(run)
        assert str(caught.value) == (
            f"{run.best_weights} is for 2 classes, but {run.classes_file} names 3"
        )

    @pytest.mark.filterwarnings("error")  # Keras would add its own lines
    def test_weights_of_another_network_are_one_clear_line(self, run, other, monkeypatch):
        changed, network = other
        monkeypatch.setattr(models, "build_model", lambda *_, **__: network)
        run.config_file.write_text(json.dumps(json.loads(CONFIG.to_json()) | changed))
        with pytest.raises(UserError, match=r"best\.weights\.h5: .* is it for another ") as caught:
            load_run_model(run)
        config = CONFIG.width, CONFIG.depth
        says = (
            f"width {changed.get('width', config[0])} and depth {changed.get('depth', config[1])}"
        )
        assert str(caught.value).endswith(f"({run.config_file} says {says})")

    def test_a_run_without_weights_says_so(self, run):
        run.best_weights.unlink()
        with pytest.raises(UserError, match="no weights yet"):
            load_run_model(run)

    def test_damaged_weights_are_reported(self, run):
        data = run.best_weights.read_bytes()
        run.best_weights.write_bytes(data[: len(data) // 2])
        with pytest.raises(UserError, match=r"best\.weights\.h5: .*; expected undamaged"):
            load_run_model(run)

    def test_flipped_bytes_are_reported(self, run):
        data = bytearray(run.best_weights.read_bytes())
        data[len(data) // 2] ^= 1
        run.best_weights.write_bytes(data)
        with pytest.raises(UserError, match=r"best\.weights\.h5: damaged: its bytes are not those"):
            load_run_model(run)

    def test_a_missing_batch_norm_is_seen(self, run):
        with h5py.File(run.best_weights, "a") as file:
            del file["layers/batch_norm_5"]
        with pytest.raises(UserError, match="classes with 74 convolutions and 70 batch norms, but"):
            load_run_model(run)

    def test_heads_in_another_order_are_seen(self, run):
        swap = {"conv2d_72": "conv2d_73", "conv2d_73": "conv2d_72"}
        with h5py.File(run.best_weights, "a") as file:
            for old in swap:
                file.move(f"layers/{old}", f"layers/{old} ")
            for old, new in swap.items():
                file.move(f"layers/{old} ", f"layers/{new}")
        with pytest.raises(UserError, match="those of YOLOv4, but in an order that its graph"):
            load_run_model(run)


class TestSaving:
    def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
        self, trained, tmp_path, monkeypatch
    ):
        path = tmp_path / "best.weights.h5"
        path.write_bytes(b"old")

        def half(model, file):
            file.write(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(keras.Model, "save_weights", half)
        with pytest.raises(KeyboardInterrupt):
            save_weights(trained, path)
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_the_optimizer_stays_out(self, two, tmp_path):
        two.compile(keras.optimizers.SGD(momentum=0.9))
        two.optimizer.build(two.trainable_variables[:2])
        save_weights(two, tmp_path / "x.weights.h5")
        with h5py.File(tmp_path / "x.weights.h5") as file:
            assert "layers" in file
            assert "optimizer" not in file


def test_the_network_has_every_setting_of_the_network():
    config = dataclasses.replace(CONFIG, confidence_prior=0.02, batch_norm_epsilon=1e-3)
    assert build_model(config, 2).get_config() == {
        "class_count": 2,
        "width": 0.05,
        "depth": 0.1,
        "input_shape": (64, 64),
        "confidence_prior": 0.02,
        "epsilon": 1e-3,
        "network": "yolov4",
        "name": "yolov4",
    }


def test_statistics_are_frozen_if_the_settings_say_so():
    config = dataclasses.replace(CONFIG, freeze_bn=True, weights="logs/x")
    assert all(norm.frozen_statistics for norm in build_model(config, 2).batch_norms())
    assert not any(norm.frozen_statistics for norm in build_model(CONFIG, 2).batch_norms())


@pytest.mark.quick
@pytest.mark.parametrize(
    ("precision", "width", "amx", "chosen"),
    [
        ("float32", 1.0, True, "float32"),
        ("bfloat16", 0.25, False, "bfloat16"),
        ("float16", 0.25, False, "float16"),
        ("auto", 1.0, True, "bfloat16"),
        ("auto", 1.0, False, "float32"),
        ("auto", 0.25, True, "float32"),
    ],
)
def test_precision_is_that_of_layers_built_afterwards(
    precision_policy, monkeypatch, precision, width, amx, chosen
):
    precision_policy("float32")
    monkeypatch.setattr(models, "_has_amx", lambda: amx)
    assert set_precision(Config(precision=precision, width=width)) == chosen
    layer = keras.layers.Dense(1)
    assert layer.compute_dtype == chosen
    assert layer.variable_dtype == "float32"


@pytest.mark.parametrize("name", get_args(get_type_hints(Config)["confidence_loss"]))
def test_every_choice_of_a_confidence_loss_is_one(name):
    config = Config(confidence_loss=name, positives_per_image=2.0)
    criterion = build_criterion(config, COCO_ANCHORS)
    logits, positive, loss_mask = np.array([[[-2.0, 2.0]], [[1.0, 0.0]], [[1.0, 1.0]]], "float32")
    wrong = criterion.confidence(logits, positive, loss_mask)
    right = criterion.confidence(-logits, positive, loss_mask)
    assert (np.asarray(wrong) > np.asarray(right)).all()


@pytest.mark.quick
def test_the_criterion_has_every_setting_of_the_loss():
    config = Config(
        confidence_loss="focal",
        focal_alpha=0.4,
        focal_gamma=1.5,
        box_loss="giou",
        box_gain=2,
        confidence_gain=3,
        class_gain=4,
        label_smoothing=0.1,
        ignore_threshold=0.6,
        anchor_match_threshold=None,
        scale_x_y=(1.3, 1.2, 1.1),
        positives_per_image=2.5,
    )
    criterion = build_criterion(config, COCO_ANCHORS)
    assert criterion.gains == {"box": 2, "confidence": 3, "class": 4}
    assert (criterion.label_smoothing, criterion.ignore_threshold) == (0.1, 0.6)
    assert criterion.anchor_match_threshold is None
    assert criterion.scale_x_y == (1.3, 1.2, 1.1)
    assert criterion.positives_per_image == 2.5
    assert criterion.overlap.__name__ == "giou"
    np.testing.assert_allclose(criterion.anchors, COCO_ANCHORS)
    # A positive with logit 0, p = 1/2: alpha (1 - p)^gamma log 2; the ignored one counts nothing.
    logits, targets = np.zeros((1, 2), "float32"), np.ones((1, 2), "float32")
    found = criterion.confidence(logits, targets, np.array([[1.0, 0.0]], "float32"))
    np.testing.assert_allclose(found, [[0.4 * 0.5**1.5 * np.log(2), 0]], rtol=1e-5)


@pytest.mark.quick
def test_settings_without_the_number_of_positives_make_no_criterion():
    with pytest.raises(UserError, match="no positives_per_image, by which the loss is divided"):
        build_criterion(Config(), COCO_ANCHORS)


def test_the_same_weights_give_the_same_bytes_whatever_was_built_before(trained, weights, tmp_path):
    keras.Model(trained.inputs, trained.outputs)  # Keras counts these in their names
    save_weights(trained, tmp_path / "again.weights.h5")
    assert (tmp_path / "again.weights.h5").read_bytes() == weights.read_bytes()
