"""Every command with the networks that have other levels or another order of heads than YOLOv4."""

import dataclasses
import json

import numpy as np
import pytest

from nets.networks import NETWORKS
from nets.yolov4 import YOLOv4
from tests.helpers.made_run import some_images, write_run
from utils.anchors import box_sizes, kmeans_anchors
from utils.annotations import load_dataset
from utils.image import read_image
from utils.postprocess import EVALUATION
from yolo4.compare.command import compare
from yolo4.compare.options import CompareOptions
from yolo4.config import Config
from yolo4.convert.command import convert
from yolo4.convert.options import ConvertOptions
from yolo4.evaluate.command import evaluate_run
from yolo4.export.command import export
from yolo4.export.options import ExportOptions
from yolo4.formats import MODEL_FORMATS
from yolo4.inference.detector import Detector
from yolo4.inference.keras_network import load_network
from yolo4.predict.command import predict
from yolo4.predict.options import PredictOptions
from yolo4.sample_data.make import make_sample_data
from yolo4.train.loop import train_model
from yolo4.weights.darknet.write import write_darknet

ONE_NETWORK = ["yolov4-tiny-3l"]  # where the number of levels makes no difference
TINY = [
    *ONE_NETWORK,
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in sorted(set(NETWORKS) - {"yolov4", *ONE_NETWORK})
    ),
]
SLIM = {"width": 0.125, "input_size": 96, "precision": "float32"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_sample_data(tmp_path_factory.mktemp("data") / "set", 8, 2, 2, size=96)


@pytest.fixture(scope="module", params=TINY)
def run(request, data, tmp_path_factory):
    """A trained run of each network, whose anchors were fitted to the data."""
    return train_model(
        Config(
            data=(str(data),),
            network=request.param,
            anchors="auto",
            epochs=1,
            batch_size=4,
            run_dir=str(tmp_path_factory.mktemp(request.param) / "run"),
            **SLIM,
        )
    )


@pytest.fixture(scope="module", params=TINY)
def untrained(request, tmp_path_factory):
    """A run of each network whose scores differ from box to box."""
    folder = tmp_path_factory.mktemp(request.param) / "run"
    return write_run(folder, network=request.param, width=0.125, input_size=(64, 96))


def test_anchors_are_fitted_for_every_level(run, data):
    spec = run.network()
    records = load_dataset((str(data),), run.class_names(), progress=False).splits["train"]
    expected = kmeans_anchors(box_sizes(records, (96, 96)), 3 * spec.levels, run.config().seed)
    np.testing.assert_allclose(run.anchors(), expected, rtol=1e-5)


@pytest.mark.parametrize("run", ONE_NETWORK, indirect=True)
def test_a_run_starts_another_with_its_network(run, tmp_path, capsys):
    config = dataclasses.replace(
        Config(**SLIM, data=run.config().data, epochs=1, batch_size=4),
        weights=str(run.folder),
        anchors=str(run.anchors_file),
        run_dir=str(tmp_path / "other"),
    )
    assert config.network == "yolov4"
    assert train_model(config).network() is run.network()
    said = capsys.readouterr().out
    assert f"--network {run.network().name}: what {run.folder} was trained with" in said
    assert "not loaded" not in said


@pytest.mark.parametrize("backend", ["keras", "openvino"])
def test_evaluation_and_prediction(run, data, backend, tmp_path):
    assert 0 <= evaluate_run(run, split="val", backend=backend).voc.map <= 1
    images = str(data / "JPEGImages")
    options = PredictOptions(
        (images,), str(run.folder), str(tmp_path), heatmap=True, score_threshold=0, backend=backend
    )
    assert predict(options) == 0
    found = json.loads((tmp_path / "detections.json").read_text())
    assert found


@pytest.mark.slow
@pytest.mark.parametrize("untrained", ONE_NETWORK, indirect=True)
def test_backends_find_the_same(untrained, monkeypatch):
    monkeypatch.setattr("yolo4.inference.engine.fast_precision", lambda: "float32")
    image = np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)
    expected, *others = (
        Detector.from_run(untrained.folder, EVALUATION, backend=backend).detect(image)
        for backend in ("keras", "openvino", "onnxruntime", "litert")
    )
    assert len(expected) > 10
    for found in others:
        np.testing.assert_array_equal(found.labels[:10], expected.labels[:10])
        np.testing.assert_allclose(found.boxes[:10], expected.boxes[:10], rtol=1e-3, atol=0.05)
        np.testing.assert_allclose(found.scores[:10], expected.scores[:10], rtol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("form", sorted(MODEL_FORMATS))
@pytest.mark.parametrize("untrained", ONE_NETWORK, indirect=True)
def test_every_format_computes_the_logits_of_both_levels(untrained, form, tmp_path):
    export(ExportOptions(str(untrained.folder), form, str(tmp_path), outputs="logits"))
    images = some_images(1, size=(64, 96))
    found = MODEL_FORMATS[form].open(tmp_path / MODEL_FORMATS[form].file)(images)
    expected = load_network(untrained, "float32")(images, training=False)
    assert found.keys() == {"p4", "p5"}
    for name, level in zip(("p4", "p5"), map(np.asarray, expected), strict=True):
        np.testing.assert_allclose(found[name], level, rtol=0, atol=1e-3 * np.abs(level).max())


def test_darknets_files_come_back_as_the_same_run(untrained, tmp_path):
    export(ExportOptions(str(untrained.folder), "darknet", str(tmp_path)))
    files = {name: str(tmp_path / f"model.{name}") for name in ("weights", "cfg", "names")}
    again = tmp_path / "again"
    convert(ConvertOptions(files["weights"], files["cfg"], files["names"], output=str(again)))
    image = np.random.default_rng(4).integers(0, 256, (64, 96, 3), np.uint8)
    ours, theirs = (
        Detector.from_run(folder, EVALUATION, backend="keras").detect(image)
        for folder in (untrained.folder, again)
    )
    np.testing.assert_allclose(theirs.scores, ours.scores, rtol=1e-4)
    assert json.loads((again / "config.json").read_text())["network"] == untrained.network().name


def test_the_size_of_a_darknet_file_tells_the_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = NETWORKS["yolov4-tiny"]
    model = YOLOv4(3, network=spec)
    write_darknet(
        tmp_path / "my.weights", model, spec.anchors, spec.scale_x_y, (96, 96), list("abc")
    )
    convert(ConvertOptions("my.weights", classes="my.names"))
    config = json.loads((tmp_path / "logs/my/config.json").read_text())
    assert (config["network"], config["scale_x_y"]) == ("yolov4-tiny", None)


@pytest.mark.slow
def test_a_comparison_with_its_diagnosis(data, tmp_path):
    compare(
        CompareOptions(
            data=(str(data),),
            network="yolov4-tiny",
            arms=("bce", "focal"),
            max_seeds=1,
            epochs=1,
            batch_size=4,
            resamples=2000,
            output=str(tmp_path / "study"),
            **SLIM,
        )
    )
    diagnosis = json.loads(next(tmp_path.glob("study/runs/*/diagnosis.json")).read_text())
    assert [level["stride"] for level in diagnosis["epochs"][0]["levels"]] == [16, 32]


def test_images_of_a_run_are_read_in_any_size(untrained, data):
    image = read_image(next((data / "JPEGImages").glob("*.jpg")))
    found = Detector.from_run(untrained.folder, EVALUATION, backend="keras").detect(image)
    assert (found.boxes <= np.tile(image.shape[1::-1], 2)).all()
