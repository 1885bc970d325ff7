"""The check of Darknet's files notices every part of a prediction that is written wrongly."""

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from tests.helpers.random_weights import random_weights
from tests.nets.toy_network import ANCHORS, TOY
from utils.errors import UserError
from yolo4.formats.darknet import export_darknet
from yolo4.weights.darknet import load, write

SHAPE = (64, 96)
CLASSES = ["cat", "dog", "owl"]
needs_importer = pytest.mark.skipif(
    not hasattr(cv2.dnn, "readNetFromDarknet"), reason="this OpenCV has no Darknet importer"
)


@pytest.fixture(scope="module")
def model():
    return random_weights(YOLOv4(len(CLASSES), input_shape=SHAPE, network=TOY), seed=3)


@pytest.fixture
def export(model, tmp_path):
    config = SimpleNamespace(grid_sensitivity=TOY.scale_x_y, input_shape=SHAPE, resize="letterbox")
    run = SimpleNamespace(
        anchors=lambda: ANCHORS, config=lambda: config, class_names=lambda: CLASSES
    )
    image = np.random.default_rng(1).integers(0, 256, (*SHAPE, 3), np.uint8)
    return lambda: export_darknet(model, run, tmp_path, image)


def exchange_classes(model):
    """Exchange the channels of the first and the last class of every anchor."""
    channels = np.arange(TOY.anchors_per_level * (5 + len(CLASSES))).reshape(3, -1)
    channels[:, [5, -1]] = channels[:, [-1, 5]]
    for layer in model.convolutions():
        if layer.use_bias:
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel[..., channels.ravel()], bias[channels.ravel()]])


def write_exchanged(path, model, *rest, write_darknet=write.write_darknet, **options):
    other = YOLOv4(**model.arguments)
    other.set_weights(model.get_weights())
    exchange_classes(other)
    return write_darknet(path, other, *rest, **options)


def load_exchanged(model, path, whole, load_darknet=load.load_darknet):
    load_darknet(model, path, whole)
    exchange_classes(model)


def write_with_other_anchors(
    path, model, anchors, *rest, write_darknet=write.write_darknet, **options
):
    return write_darknet(path, model, anchors[::-1], *rest, **options)


def refusal(export):
    """Which check refuses an export, and its differences of logits and boxes."""
    with pytest.raises(UserError) as caught:
        export()
    parts = re.match(r"([\w ]+), .*: logits ([\d.e-]+), boxes ([\d.e-]+);", str(caught.value))
    assert parts, caught.value
    return parts[1], float(parts[2]), float(parts[3])


def test_the_files_of_a_network_with_two_levels_pass(export):
    said = export()
    differences = r"logits [\d.e-]+, boxes [\d.e-]+ \(at most 0.001\)"
    assert re.search(f"read back, {differences}", said)
    if hasattr(cv2.dnn, "readNetFromDarknet"):
        assert re.search(f"in Keras too {differences}$", said)


def test_exchanged_class_channels_in_the_file_are_refused(export, monkeypatch):
    monkeypatch.setattr(write, "write_darknet", write_exchanged)
    where, logits, boxes = refusal(export)
    assert (where, boxes) == ("read back", 0)
    assert logits > 0.1


@needs_importer
def test_class_channels_that_only_opencv_reads_in_another_order_are_refused(export, monkeypatch):
    monkeypatch.setattr(write, "write_darknet", write_exchanged)
    monkeypatch.setattr(load, "load_darknet", load_exchanged)
    where, logits, boxes = refusal(export)
    assert where == "in OpenCV"
    assert logits > 0.1 > 1e-3 > boxes


@needs_importer
def test_other_anchors_in_the_cfg_are_refused(export, monkeypatch):
    monkeypatch.setattr(write, "write_darknet", write_with_other_anchors)
    where, logits, boxes = refusal(export)
    assert where == "in OpenCV"
    assert boxes > 0.1 > 1e-3 > logits
