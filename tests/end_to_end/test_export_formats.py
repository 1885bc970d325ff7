"""Train, export to every format, reload, detect: the same objects come out of each."""

import re
from dataclasses import replace

import numpy as np
import pytest

from utils.annotations import load_dataset
from utils.boxes import iou
from utils.image import read_image
from utils.postprocess import PREDICTION
from yolo4.config import Config
from yolo4.convert.command import convert
from yolo4.convert.options import ConvertOptions
from yolo4.export.command import export
from yolo4.export.model import exported_model
from yolo4.export.options import ExportOptions
from yolo4.formats import MODEL_FORMATS
from yolo4.inference.detector import Detector
from yolo4.sample_data.make import make_sample_data
from yolo4.train.loop import train_model

pytestmark = pytest.mark.slow

THRESHOLD = 0.05  # so short a training teaches little confidence
SETTINGS = replace(PREDICTION, score_threshold=THRESHOLD)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("formats")
    data = make_sample_data(folder / "data", train=48, val=4, test=24, size=96)
    config = Config(
        data=(str(data),),
        width=0.125,
        depth=0.1,
        input_size=96,
        epochs=40,
        eval_period=40,
        batch_size=4,
        learning_rate=1e-2,
        mosaic=0.0,
        mixup=0.0,
        ema=None,
        run_dir=str(folder / "run"),
    )
    return train_model(config)


@pytest.fixture(scope="module")
def pictures(run):
    splits = load_dataset(run.config().data, run.class_names(), progress=False).splits
    return [read_image(record.image) for record in splits["test"][:4]]


@pytest.fixture(scope="module")
def wanted(run, pictures):
    detector = Detector.from_run(run.folder, SETTINGS, backend="keras")
    found = detector.detect_batch(pictures)
    assert sum(map(len, found)) > 10
    return found


def assert_same(found, wanted):
    """Every detection clearly above the threshold has a counterpart on the other side."""
    for ours, theirs in ((found, wanted), (wanted, found)):
        sure = ours.scores > 1.05 * THRESHOLD
        same = iou(ours.boxes[sure][:, None], theirs.boxes[None]) > 0.99
        same &= ours.labels[sure][:, None] == theirs.labels[None]
        same &= np.isclose(ours.scores[sure][:, None], theirs.scores[None], rtol=0.02)
        assert same.any(axis=1).all()


def detector_of(run, runtime):
    """A detector with only the best class of every predictor, as exported models have it."""
    classes = np.eye(len(run.class_names()), dtype=np.float32)

    def infer(images):
        found = runtime(images)
        labels = np.asarray(found["labels"])
        return np.asarray(found["boxes"]), np.asarray(found["scores"]), classes[labels]

    return Detector(infer, run.class_names(), (96, 96), SETTINGS)


@pytest.mark.parametrize("form", sorted(MODEL_FORMATS))
def test_an_exported_model_detects_what_keras_detects(run, pictures, tmp_path, form):
    export(ExportOptions(str(run.folder), form, str(tmp_path)))
    written = detector_of(run, MODEL_FORMATS[form].open(tmp_path / MODEL_FORMATS[form].file))
    keras = detector_of(run, exported_model(run, ExportOptions()))
    pairs = zip(written.detect_batch(pictures), keras.detect_batch(pictures), strict=True)
    total = 0
    for found, wanted in pairs:
        assert_same(found, wanted)
        total += len(found)
    assert total > 10


@pytest.mark.parametrize("backend", ["openvino", "onnxruntime", "litert"])
def test_a_backend_detects_what_keras_detects(run, pictures, wanted, backend, monkeypatch):
    monkeypatch.setattr("yolo4.inference.engine.fast_precision", lambda: "float32")
    detector = Detector.from_run(run.folder, SETTINGS, backend=backend)
    for found, theirs in zip(detector.detect_batch(pictures), wanted, strict=True):
        assert_same(found, theirs)


def test_darknets_files_come_back_as_the_same_run(run, pictures, wanted, tmp_path):
    export(ExportOptions(str(run.folder), "darknet", str(tmp_path)))
    files = {name: str(tmp_path / f"model.{name}") for name in ("weights", "cfg", "names")}
    again = tmp_path / "again"
    convert(ConvertOptions(files["weights"], files["cfg"], files["names"], output=str(again)))
    detector = Detector.from_run(again, SETTINGS, backend="keras")
    for found, theirs in zip(detector.detect_batch(pictures), wanted, strict=True):
        assert_same(found, theirs)


@pytest.mark.parametrize(
    ("form", "precision"),
    [("openvino", "float16"), ("openvino", "int8"), ("litert", "float16"), ("litert", "int8")],
)
def test_lower_precision_is_smaller_and_measured(
    run, tmp_path, capsys, form, precision, monkeypatch
):
    # The network finds little, so that one box of the 24 images is a point of mAP.
    # tests/yolo4/export/test_precision.py tests that a loss of more than one point is refused.
    monkeypatch.setattr("yolo4.export.precision._MAX_MAP_LOSS", 0.05)
    exact, low = tmp_path / "exact", tmp_path / "low"
    export(ExportOptions(str(run.folder), form, str(exact)))
    settings = {"precision": precision, "calibration_images": 16}
    export(ExportOptions(str(run.folder), form, str(low), **settings))
    said = capsys.readouterr().out
    assert re.search(rf"{precision} gains size( and speed)?: [\d.]+ MB became [\d.]+ MB, ", said)
    maps = re.search(r"on the 24 images of test: ([\d.]+) in float32, ([\d.]+) now", said).groups()
    assert all(float(found) > 0.02 for found in maps)
    sizes = [
        sum(f.stat().st_size for f in folder.iterdir() if f.suffix in (".bin", ".tflite"))
        for folder in (exact, low)
    ]
    assert sizes[1] < (0.6 if precision == "float16" else 0.4) * sizes[0]
