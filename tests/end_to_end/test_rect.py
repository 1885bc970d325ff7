"""`--rect` of predict.py and get_map.py: images of mixed shapes, through Keras and OpenVINO."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from tests.helpers.annotation_files import voc_xml, write_text
from tests.helpers.made_run import NAMES, write_run
from utils.annotations import load_dataset
from utils.image import read_image
from utils.metrics import summary
from utils.postprocess import EVALUATION, PREDICTION
from yolo4.evaluate.command import evaluate
from yolo4.evaluate.options import EvaluateOptions
from yolo4.inference import detector as detector_module
from yolo4.inference.detector import Detector
from yolo4.inference.engine import open_engine
from yolo4.predict.command import predict
from yolo4.predict.options import PredictOptions

# Width and height of an image, and height and width of its input, at most 96 x 96.
SIZES = {
    "a": ((120, 60), (64, 96)),
    "b": ((50, 100), (96, 64)),
    "c": ((140, 70), (64, 96)),
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "JPEGImages"
    folder.mkdir()
    for number, (stem, (size, _)) in enumerate(SIZES.items()):
        pixels = np.random.default_rng(number).integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{stem}.png")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(
        tmp_path_factory.mktemp("logs") / "run", network="yolov4-tiny-3l", input_size=96
    )


@pytest.fixture(scope="module", params=["keras", "openvino"])
def engine(run, request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("yolo4.inference.engine.fast_precision", lambda: "float32")
        return request.param, open_engine(run, request.param, any_size=True)


@pytest.fixture
def opened(engine, monkeypatch):
    """The backend, and the shapes of what its network sees when a command opens it."""
    backend, network = engine
    shapes = []

    def infer(batch):
        shapes.append(batch.shape[1:3])
        return network.infer(batch)

    def open_again(run, name, throughput, any_size, precision):
        assert (name, any_size, precision) == (backend, True, "auto")
        return dataclasses.replace(network, infer=infer)

    monkeypatch.setattr(detector_module, "open_engine", open_again)
    return backend, shapes


def detections_alone(run, engine, images, settings):
    """What a detector finds in each image by itself, without a batch."""
    detector = Detector(
        engine[1].infer, NAMES, run.config().input_shape, settings, batch_size=1, rect=True
    )
    return [detector.detect(images / f"{stem}.png") for stem in SIZES]


def test_predict(run, engine, opened, images, tmp_path):
    backend, shapes = opened
    options = {"run": str(run.folder), "output": str(tmp_path), "backend": backend}
    flags = {"batch_size": 4, "rect": True, "heatmap": True}
    status = predict(PredictOptions((str(images),), **options, **flags))
    assert status == 0
    entries = json.loads((tmp_path / "detections.json").read_text(encoding="utf-8"))
    assert [entry["image"] for entry in entries] == [str(images / f"{s}.png") for s in SIZES]
    wanted = detections_alone(run, engine, images, PREDICTION)
    for entry, found in zip(entries, wanted, strict=True):
        assert len(found) > 0
        np.testing.assert_allclose(entry["boxes"], found.boxes, atol=0.02)
        np.testing.assert_allclose(entry["scores"], found.scores, atol=1e-4)
    assert set(shapes) == {shape for _, shape in SIZES.values()}
    for stem, ((width, height), _) in SIZES.items():
        assert read_image(tmp_path / f"{stem}_heatmap.png").shape == (height, width, 3)


def test_get_map(run, engine, opened, images, tmp_path):
    backend, shapes = opened
    wanted = detections_alone(run, engine, images, EVALUATION)
    for stem, found in zip(SIZES, wanted, strict=True):
        five = zip(found.labels[:5], found.boxes[:5], strict=True)
        text = voc_xml([(NAMES[label], *box) for label, box in five], SIZES[stem][0])
        write_text(images.parent / "Annotations" / f"{stem}.xml", text)
    write_text(images.parent / "ImageSets/Main/test.txt", "\n".join(SIZES) + "\n")
    records = load_dataset(str(images.parent), NAMES, progress=False).splits["test"]
    options = {"run": str(run.folder), "data": (str(images.parent),), "output": str(tmp_path)}
    evaluate(EvaluateOptions(**options, backend=backend, batch_size=4, rect=True))
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    measured, shifted = (
        summary.evaluate(found, records, NAMES).voc.main.map
        for found in (wanted, [*wanted[1:], wanted[0]])
    )
    assert metrics["voc"]["map"] == pytest.approx(measured, abs=1e-3)
    assert measured > shifted + 0.01, "the order of the records matters"
    in_order = list(dict.fromkeys(shapes))
    assert shapes == sorted(shapes, key=in_order.index), "one shape after another"
    assert set(in_order) == {shape for _, shape in SIZES.values()}
