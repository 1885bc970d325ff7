import dataclasses
from dataclasses import replace

import keras
import numpy as np
import pytest

from nets.decode import decode
from nets.outputs import Decode
from tests.helpers.yolov4 import COCO_ANCHORS, LEVELS, STRIDES
from utils.anchors import format_anchors
from utils.errors import UserError
from utils.postprocess import PREDICTION
from yolo4.build import build_model, save_weights
from yolo4.config import Config
from yolo4.inference.detector import Detector
from yolo4.inference.keras_network import decoded_network, load_network
from yolo4.run import open_run

NAMES = ("apple", "leaf", "key")
SIZE = (64, 96)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("logs") / "run"
    folder.mkdir()
    config = Config(width=0.0625, depth=0.2, input_size=SIZE, precision="float32")
    opened_files = {
        "config.json": config.to_json(),
        "classes.txt": "".join(f"{name}\n" for name in NAMES),
        "anchors.txt": format_anchors(COCO_ANCHORS),
    }
    for name, text in opened_files.items():
        (folder / name).write_text(text, encoding="utf-8")
    keras.utils.set_random_seed(0)
    save_weights(build_model(config, len(NAMES)), folder / "best.weights.h5")
    return open_run(folder)


@pytest.fixture(scope="module")
def network(run):
    return decoded_network(run)


def test_compiled_gives_what_network_and_decoding_give(network):
    images = np.random.default_rng(0).integers(0, 256, (2, *SIZE, 3), np.uint8)
    compiled = network.infer(images)
    logits = network.network(images.astype(np.float32), training=False)
    plain = [
        keras.ops.convert_to_numpy(part) for part in decode(logits, COCO_ANCHORS.tolist(), *LEVELS)
    ]
    assert [part.shape for part in compiled] == [(2, 378, 4), (2, 378), (2, 378, 3)]
    for fast, slow in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(fast, slow, rtol=2e-3, atol=2e-4)


def test_boxes_are_decoded_with_the_grid_sensitivity_of_the_run(run, tmp_path):
    for name in ("classes.txt", "anchors.txt", "best.weights.h5"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    config = dataclasses.replace(run.config(), scale_x_y=(1.0, 2.0, 3.0))
    (tmp_path / "config.json").write_text(config.to_json())
    images = np.random.default_rng(1).integers(0, 256, (1, *SIZE, 3), np.uint8)
    decoded = decoded_network(open_run(tmp_path))
    for layer in decoded.network.convolutions():
        if layer.use_bias:
            layer.bias.assign(layer.bias * 0 + 1)  # else every center is in the middle of its cell
    logits = decoded.network(images, training=False)
    wanted, _, _ = decode(logits, COCO_ANCHORS.tolist(), STRIDES, (1.0, 2.0, 3.0))
    np.testing.assert_allclose(decoded.infer(images)[0], wanted, rtol=2e-3, atol=2e-4)
    default, _, _ = decode(logits, COCO_ANCHORS.tolist(), *LEVELS)
    assert np.abs(default - wanted).max() > 5


def test_it_is_traced_once_per_shape(network, monkeypatch):
    traces = []
    call = Decode.call
    monkeypatch.setattr(
        Decode, "call", lambda self, logits: (traces.append(1), call(self, logits))[1]
    )
    network.infer(np.zeros((3, *SIZE, 3), np.uint8))
    first = len(traces)
    network.infer(np.ones((3, *SIZE, 3), np.uint8))
    assert len(traces) == first > 0


def test_a_detector_of_a_run(run):
    detector = Detector.from_run(
        run.folder, replace(PREDICTION, score_threshold=0.0, max_detections=7), batch_size=2
    )
    assert (detector.class_names, detector.input_size) == (NAMES, SIZE)
    image = np.random.default_rng(0).integers(0, 256, (50, 40, 3), np.uint8)
    found = detector.detect(image)
    assert len(found) == 7
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= [40, 50, 40, 50]).all()
    together = detector.detect_batch([image, image[::-1], image])
    for again in (together[0], together[2]):
        np.testing.assert_allclose(again.scores, found.scores, rtol=1e-3)
        np.testing.assert_array_equal(again.labels, found.labels)


def test_the_precision_is_the_runs_and_stays_with_it(run, tmp_path):
    config = Config(width=0.0625, depth=0.2, input_size=SIZE, precision="bfloat16")
    for name in ("classes.txt", "anchors.txt", "best.weights.h5"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    (tmp_path / "config.json").write_text(config.to_json())
    before = keras.config.dtype_policy().name
    network = load_network(open_run(tmp_path))
    assert network.convolutions()[0].compute_dtype == "bfloat16"
    assert load_network(open_run(tmp_path), "float32").convolutions()[0].compute_dtype == "float32"
    assert keras.config.dtype_policy().name == before


def test_other_class_names_than_the_weights_have(run, tmp_path):
    for name in ("config.json", "anchors.txt", "best.weights.h5"):
        (tmp_path / name).write_bytes((run.folder / name).read_bytes())
    (tmp_path / "classes.txt").write_text("apple\nleaf\n")
    with pytest.raises(UserError, match="3 classes"):
        Detector.from_run(tmp_path)
