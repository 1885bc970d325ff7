import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
from PIL import Image

from tests.helpers import ROOT
from tests.helpers.exported_input import input_shape
from tests.helpers.full_disk import full_disk
from tests.helpers.made_run import NAMES, SIZE, some_images, write_copy, write_run
from utils.boxes import nms
from utils.errors import UserError
from utils.letterbox import fit_image
from utils.postprocess import PREDICTION
from yolo4.environment.failures import describe_failure
from yolo4.export import command
from yolo4.export.command import export
from yolo4.export.description import describe
from yolo4.export.model import exported_model
from yolo4.export.options import ExportOptions
from yolo4.formats import FORMATS, MODEL_FORMATS
from yolo4.formats.openvino import OPENVINO
from yolo4.inference.detector import Detector
from yolo4.inference.keras_network import engine_network
from yolo4.sample_data.make import make_sample_data


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("logs") / "run")


def described(folder):
    return json.loads((folder / "model.json").read_text(encoding="utf-8"))


def slow_but(fast):
    """All formats that store a model; tests with any but one are slow."""
    return [
        pytest.param(form, marks=[] if form == fast else pytest.mark.slow) for form in MODEL_FORMATS
    ]


@pytest.mark.parametrize("form", slow_but("keras"))
def test_every_format_gives_what_keras_gives(run, tmp_path, form, capsys):
    export(ExportOptions(str(run.folder), form, str(tmp_path)))
    assert "difference from Keras on a drawn image: boxes" in capsys.readouterr().out
    assert {file.name for file in tmp_path.iterdir()} == {*FORMATS[form].files, "model.json"}
    free = input_shape(form, tmp_path / FORMATS[form].file)
    assert free == described(tmp_path)["input"]["shape"] == [None, *SIZE, 3]
    found = FORMATS[form].open(tmp_path / FORMATS[form].file)(some_images(3))
    wanted = exported_model(run, ExportOptions())(some_images(3), training=False)
    assert list(described(tmp_path)["outputs"]) == ["boxes", "scores", "labels"]
    for name, output in described(tmp_path)["outputs"].items():
        assert [None, *found[name].shape[1:]] == output["shape"]
        assert found[name].dtype.name == output["type"]
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-3, atol=1e-3)


def test_a_keras_file_is_opened_in_a_process_that_has_not_built_a_network(run, tmp_path):
    export(ExportOptions(str(run.folder), "keras", str(tmp_path)))
    code = (
        "import sys; from pathlib import Path; from yolo4.formats import FORMATS; "
        "FORMATS['keras'].open(Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "model.keras")]
    subprocess.run(command, cwd=ROOT, check=True)


@pytest.mark.parametrize("form", slow_but("openvino"))
def test_logits_of_a_fixed_batch_of_float_pixels(run, tmp_path, form):
    options = ExportOptions(
        str(run.folder),
        form,
        str(tmp_path),
        outputs="logits",
        batch_size=2,
        input_type="float32",
    )
    export(options)
    path, shape = tmp_path / FORMATS[form].file, [2, *SIZE, 3]
    assert input_shape(form, path) == described(tmp_path)["input"]["shape"] == shape
    images = some_images(2).astype(np.float32)
    found = FORMATS[form].open(path)(images)
    wanted = exported_model(run, options)(images, training=False)
    assert {name: value.shape for name, value in found.items()} == {
        f"p{level}": (2, SIZE[0] // stride, SIZE[1] // stride, 3, 5 + len(NAMES))
        for level, stride in ((3, 8), (4, 16), (5, 32))
    }
    for name, value in found.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-3, atol=1e-3)


WITH_NMS = {"with_nms": True, "score_threshold": 0.4, "max_detections": 20}


@pytest.fixture(scope="module", params=["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def with_nms(run, tmp_path_factory, request):
    """A format, and the folder of a model with NMS in it."""
    folder = tmp_path_factory.mktemp("with_nms")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "In the future")
        export(ExportOptions(str(run.folder), request.param, str(folder), **WITH_NMS))
    return FORMATS[request.param], folder


def test_nms_inside_the_model_keeps_the_same_boxes(run, with_nms):
    written, folder = with_nms
    images = some_images(2, seed=3)
    found = written.open(folder / written.file)(images)
    decoded = engine_network(run)(images, training=False)
    for i in range(2):
        boxes, confidence, class_scores = (np.asarray(decoded[name])[i] for name in decoded)
        scores = confidence[:, None] * class_scores
        row, label = np.nonzero(scores > 0.4)
        keep = nms(boxes[row], scores[row, label], label, 0.45, 20, "iou")
        count = int(found["count"][i])
        assert count == len(keep) > 3
        np.testing.assert_allclose(
            found["boxes"][i, :count], boxes[row[keep]], rtol=1e-3, atol=1e-2
        )
        np.testing.assert_array_equal(found["labels"][i, :count], label[keep])
    assert described(folder)["outputs"]["count"]["shape"] == [None]


def test_a_detector_finds_what_a_model_with_nms_finds_over_the_edge(run, with_nms):
    written, folder = with_nms
    picture = some_images(1, seed=5, size=(50, 150))[0]
    pixels, fit = fit_image(picture, SIZE)
    found = written.open(folder / written.file)(pixels[None])
    count = int(found["count"][0])
    boxes, scores, labels = (found[name][0, :count] for name in ("boxes", "scores", "labels"))
    clipped = fit.invert(boxes)
    assert (np.abs(fit.apply(clipped) - boxes).max(axis=1) > 1).sum() > 3
    settings = replace(PREDICTION, score_threshold=0.4, max_detections=20)
    wanted = Detector.from_run(run.folder, settings, backend="keras").detect(picture)
    np.testing.assert_allclose(clipped, wanted.boxes, rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(scores, wanted.scores, rtol=1e-3)
    np.testing.assert_array_equal(labels, wanted.labels)


def test_opencv_reads_darknets_files(run, tmp_path, capsys):
    cv2 = pytest.importorskip("cv2", "4.10")
    export(ExportOptions(str(run.folder), "darknet", str(tmp_path)))
    files = {file.name for file in tmp_path.iterdir()}
    assert files == {"model.weights", "model.cfg", "model.names"}
    if hasattr(cv2.dnn, "readNetFromDarknet"):
        said = capsys.readouterr().out
        differences = r"logits [\d.e-]+, boxes [\d.e-]+ \(at most 0.001\)"
        assert re.search(f"difference from Keras: read back, {differences}", said)
        assert re.search(f"in OpenCV.* in Keras too {differences}", said)


def test_a_model_that_differs_is_not_kept(run, tmp_path, monkeypatch):
    def write_another(model, path):
        exported_model(write_run(tmp_path / "b", seed=1), options).save(path)

    options = ExportOptions(str(run.folder), "keras", str(tmp_path / "out"))
    monkeypatch.setitem(FORMATS, "keras", replace(FORMATS["keras"], write=write_another))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.keras").write_text("the last one")
    with pytest.raises(UserError, match="the exported model differs from Keras: boxes"):
        export(options)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["model.keras"]
    assert (tmp_path / "out" / "model.keras").read_text() == "the last one"


def test_a_failed_conversion_leaves_no_file(tmp_path, monkeypatch):
    def convert(path):
        assert (path / "saved_model.pb").is_file()
        raise RuntimeError("no such operation")

    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    monkeypatch.setattr("openvino.convert_model", convert)
    with pytest.raises(RuntimeError, match="no such operation"):
        OPENVINO.write(model, tmp_path / OPENVINO.file)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_library_is_named_before_anything_is_written(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"tf2onnx is not installed: pip install -r requirements-"):
        export(ExportOptions(str(run.folder), "onnx", str(tmp_path / "out")))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.quick
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"format": "onnx", "precision": "int8"},
            "--precision is 'int8'; --format onnx takes float32$",
        ),
        (
            {"format": "litert", "with_nms": True},
            "--with-nms: --format litert has no operator for it; onnx, openvino, saved_model have",
        ),
        ({"with_nms": True, "outputs": "logits"}, "--with-nms suppresses boxes"),
        ({"batch_size": 0}, "--batch-size"),
        ({"format": "darknet", "batch_size": 2}, "--batch-size: --format darknet has no such"),
        ({"format": "darknet", "outputs": "logits"}, "--outputs: --format darknet has no such"),
        ({"format": "tflite"}, "--format is 'tflite'"),
    ],
)
def test_contradicting_settings_are_refused(settings, words):
    with pytest.raises(UserError, match=words):
        ExportOptions(**settings)


def test_the_image_is_one_of_the_data_set_if_there_is_one(run, tmp_path):
    options = ExportOptions(data=(str(make_sample_data(tmp_path / "data", 1, 1, 1, size=96)),))
    splits = command._load_splits(run, options)
    image, name = command._choose_image(run, None, splits)
    assert (image.shape, name) == ((*SIZE, 3), str(splits["test"][0].image))
    other = str(splits["train"][0].image)
    assert command._choose_image(run, other, {})[1] == other
    assert command._load_splits(run, ExportOptions(image=other)) == {}
    assert command._load_splits(run, ExportOptions()) == {}
    assert command._choose_image(run, None, {})[1] == "a drawn image"


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_it_is_fitted_as_in_the_training_and_the_description_says_how(run, tmp_path, resize):
    own = write_copy(run, tmp_path / "run", resize=resize)
    white = tmp_path / "white.png"
    Image.new("RGB", (40, 10), "white").save(white)
    image = command._choose_image(own, str(white), {}).pixels
    assert image.shape == (*SIZE, 3)
    assert (image[0] == (255 if resize == "stretch" else 128)).all()
    describe(own, ExportOptions(), {}, tmp_path)
    assert described(tmp_path)["resize"] == resize


def test_a_precision_that_cannot_be_measured_is_refused_before_anything_is_written(run, tmp_path):
    options = ExportOptions(str(run.folder), "openvino", str(tmp_path / "out"), precision="int8")
    with pytest.raises(UserError, match="--data names a data set to measure int8 on"):
        export(options)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_saved_model_is_not_replaced(run, tmp_path):
    command._check_replaceable(FORMATS["saved_model"], tmp_path)
    (tmp_path / "saved_model").mkdir()
    command._check_replaceable(FORMATS["saved_model"], tmp_path)
    (tmp_path / "saved_model" / "photo.jpg").touch()
    with pytest.raises(UserError, match=r"would be replaced, but has no saved_model\.pb"):
        export(ExportOptions(str(run.folder), "saved_model", str(tmp_path)))
    assert [file.name for file in tmp_path.iterdir()] == ["saved_model"]
    (tmp_path / "saved_model" / "saved_model.pb").touch()
    command._check_replaceable(FORMATS["saved_model"], tmp_path)


def test_from_the_command_line(run, tmp_path):
    arguments = ["--run", str(run.folder), "--format", "keras", "--output", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "yolo4", "export", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path / 'model.keras'}" in done.stdout
    bad = subprocess.run(
        [sys.executable, "-m", "yolo4", "export", "--run", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (bad.returncode, bad.stderr.count("\n")) == (2, 1)
    assert "not a run folder" in bad.stderr


@pytest.mark.skipif(os.name == "nt", reason="a limit of POSIX")
@pytest.mark.parametrize(
    "form",
    [
        "keras",
        *(pytest.param(f, marks=pytest.mark.slow) for f in ("onnx", "openvino", "saved_model")),
        "darknet",
    ],
)
def test_a_full_disk_is_one_line_and_leaves_the_last_export(run, tmp_path, form):
    target = tmp_path / FORMATS[form].file
    target.parent.mkdir(exist_ok=True)
    if not FORMATS[form].folder_contents:
        target.write_text("the last export")
    before = sorted(tmp_path.rglob("*"))
    with full_disk(60_000), pytest.raises(OSError, match="File too large") as caught:
        export(ExportOptions(str(run.folder), form, str(tmp_path)))
    assert str(tmp_path) in describe_failure(caught.value)
    assert ".tmp" not in describe_failure(caught.value)
    assert sorted(tmp_path.rglob("*")) == before
