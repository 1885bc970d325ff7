"""What an export reports about a lower precision, and when it refuses it."""

from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from nets.networks import YOLOV4
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.errors import UserError
from utils.records import Record
from yolo4.config import Config
from yolo4.export.options import ExportOptions
from yolo4.export.precision import (
    Measurement,
    _as_infer,
    _mean_ap,
    _milliseconds,
    _read_images,
    verdict,
)

pytestmark = pytest.mark.quick

FLOAT32 = Measurement(megabytes=13.5, milliseconds=40.0, map=0.875)


@pytest.mark.parametrize(
    ("lower", "words"),
    [
        (
            Measurement(4, 20, 0.875),
            "size and speed: 13.5 MB became 4.0 MB, 20.0 ms an image against 40.0",
        ),
        (Measurement(4, 39, 0.866), "size: 13.5 MB"),  # 2.5% faster is as fast
        (Measurement(4, 60, 0.9), "size: 13.5 MB"),
        (Measurement(13.4, 20, 0.875), "speed: 13.5 MB became 13.4 MB"),
    ],
)
def test_gains_are_reported(lower, words):
    text = verdict("int8", FLOAT32, lower, "bfloat16")
    assert text.startswith(f"int8 gains {words}")
    assert text.endswith("against 40.0 in bfloat16")


@pytest.mark.parametrize(
    ("lower", "words"),
    [
        (Measurement(13.4, 39, 0.9), "int8 gains neither size nor speed: not kept"),
        (Measurement(4, 20, 0.864), "int8 loses 1.1 points of mAP, more than 1: not kept"),
        (Measurement(4, 20, float("nan")), "int8 loses nan points of mAP"),
    ],
)
def test_no_gain_and_too_much_loss_are_refused(lower, words):
    with pytest.raises(UserError, match=words):
        verdict("int8", FLOAT32, lower, "float32")


def test_times_are_per_image_and_without_the_first_turn(monkeypatch):
    clock = [0.0]
    watch = SimpleNamespace(perf_counter=lambda: clock[0])  # other threads keep the real one
    monkeypatch.setattr("yolo4.export.precision.time", watch)

    def taking(*seconds):
        left = list(seconds)

        def run(images):
            clock[0] += left.pop(0) if len(left) > 1 else left[0]

        return run

    batch = np.zeros((4, 2, 2, 3))
    assert _milliseconds([taking(9, 0.4), taking(9, 0.2)], batch) == pytest.approx([100, 50])


def test_images_are_fitted_as_in_the_training(tmp_path):
    path = tmp_path / "white.png"
    Image.new("RGB", (128, 64), "white").save(path)
    box = np.array([[32, 16, 64, 32]], np.float32)
    record = Record(path, (128, 64), box, np.zeros(1, np.int32), np.zeros(1, bool))
    run = SimpleNamespace(
        anchors=lambda: COCO_ANCHORS,
        config=lambda: Config(input_size=64, resize="stretch"),
        network=lambda: YOLOV4,
        class_names=lambda: ("apple", "key"),
    )
    options = ExportOptions()
    assert (_read_images([record], run, options) == 255).all()

    def runtime(images):
        boxes = np.array([[[16, 16, 32, 32]]], np.float32)
        return {"boxes": boxes, "scores": np.ones((1, 1)), "labels": np.zeros((1, 1), int)}

    assert _mean_ap(runtime, run, [record], options) == 1


@pytest.mark.parametrize(("batch_size", "seen"), [(None, 1), (4, 4)])
def test_a_model_of_a_fixed_batch_is_measured_on_a_single_image(batch_size, seen):
    def runtime(images):
        assert (len(images), images.dtype) == (seen, np.float32)
        values = images[:, 0, 0, :1]
        return {"boxes": images[:, 0, :2], "scores": values, "labels": np.ones((seen, 1), int)}

    run = SimpleNamespace(
        anchors=lambda: COCO_ANCHORS,
        config=Config,
        network=lambda: YOLOV4,
        class_names=lambda: ("apple", "key"),
    )
    options = ExportOptions(batch_size=batch_size, input_type="float32")
    image = np.full((1, 2, 2, 4), 7, np.uint8)
    boxes, scores, classes = _as_infer(runtime, run, options)(image)
    assert (boxes[0].tolist(), scores[0].tolist()) == ([[7.0] * 4] * 2, [7.0])
    assert classes[0].tolist() == [[0, 1]]
