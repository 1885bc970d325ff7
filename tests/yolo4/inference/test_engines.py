"""The backends: each computes what Keras does, and one is chosen."""

import dataclasses
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import ROOT
from tests.helpers.made_run import NAMES, some_images, write_run
from tests.yolo4.formats.test_float32_layers import marked
from utils.errors import UserError
from yolo4.build import build_model
from yolo4.formats.libraries import openvino_core
from yolo4.formats.openvino import OPENVINO, fast_precision
from yolo4.inference import engine
from yolo4.inference import engine_cache as cache
from yolo4.inference.detector import Detector
from yolo4.inference.engine import open_engine
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.keras_network import decode_layer, load_network


@pytest.fixture(scope="module")
def wanted(run):
    return open_engine(run, "keras").infer(some_images(1))


@pytest.mark.parametrize(
    "backend", ["openvino", pytest.param("onnxruntime", marks=pytest.mark.slow)]
)
def test_every_backend_computes_what_keras_computes(run, wanted, backend, monkeypatch):
    monkeypatch.setattr(engine, "fast_precision", lambda: "float32")
    network = open_engine(run, backend).infer
    assert (
        str(network)
        == {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}[backend] + " float32"
    )
    found = network(some_images(1))
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "backend",
    [
        "keras",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("openvino", "onnxruntime")),
    ],
)
def test_images_of_any_size_give_what_a_network_for_their_size_gives(run, backend, monkeypatch):
    monkeypatch.setattr(engine, "fast_precision", lambda: "float32")
    network = open_engine(run, backend, any_size=True).infer
    trained = load_network(run, "float32")
    for size in ((96, 32), (64, 128), (64, 96), (96, 32)):
        config = dataclasses.replace(run.config(), input_size=size)
        fixed = build_model(config, len(NAMES))
        fixed.set_weights(trained.get_weights())
        images = some_images(2, size=size)
        wanted = decode_layer(run)(fixed(images, training=False))
        found = network(images)
        for ours, name in zip(found, ("boxes", "confidence", "class_scores"), strict=True):
            np.testing.assert_allclose(ours, wanted[name], rtol=1e-3, atol=1e-3)


def test_litert_runs_images_of_one_size_only(run):
    with pytest.raises(UserError, match=r"^--rect: LiteRT runs images of one size only; name anot"):
        open_engine(run, "litert", any_size=True)


def test_calls_from_several_threads_do_not_mix(run):
    detector = Detector.from_run(run.folder, backend="openvino", throughput=True)
    images = list(some_images(12))
    from yolo4.inference.pipeline import overlapped

    together = overlapped(detector.detect, images, workers=4, ahead=8)
    for image, found in zip(images, together, strict=True):
        alone = detector.detect(image)
        np.testing.assert_array_equal(found.boxes, alone.boxes)
        assert len(found) > 0


@pytest.mark.slow
def test_a_script_without_a_guard_can_use_a_detector(run, tmp_path):
    own = write_run(tmp_path / "run")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from yolo4.inference.detector import Detector; "
        f"print(Detector.from_run({str(own.folder)!r}, backend='openvino').parallel)"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["1"]), done.stderr


def test_auto_is_openvino_unless_there_is_a_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "_GPU_DEVICES", (tmp_path / "none", tmp_path))
    assert engine._choose("auto") == "keras"
    monkeypatch.setattr(engine, "_GPU_DEVICES", (tmp_path / "none",))
    assert engine._choose("auto") == "openvino"
    monkeypatch.setattr(engine.importlib.util, "find_spec", lambda name: None)
    assert engine._choose("auto") == "keras"
    assert engine._choose("litert") == "litert"


@pytest.mark.parametrize("device", ["/dev/nvidiactl", "/dev/dxg"])  # Linux's, and WSL 2's
def test_a_gpu_is_recognized_by_its_device(device):
    assert device in map(str, engine._GPU_DEVICES)


@pytest.fixture
def failing_export(monkeypatch):
    """The export for OpenVINO, which "auto" chooses, fails as it would by a bug."""
    ended = subprocess.CompletedProcess([], 1, stderr="Traceback ...\nNameError: no such name\n")
    monkeypatch.setattr(cache.subprocess, "run", lambda *_, **__: ended)
    monkeypatch.setattr(engine, "_GPU_DEVICES", ())


def test_auto_is_keras_if_the_network_cannot_be_written(failing_export, tmp_path, capsys):
    own = write_run(tmp_path / "run")
    reason = "writing the network for openvino ended with status 1: NameError: no such name"
    with pytest.raises(UserError, match=f"^{reason}$"):
        open_engine(own, "openvino")
    assert capsys.readouterr().err.startswith("Traceback ...\nNameError: no such name\n")
    assert str(open_engine(own, "auto").infer) == "Keras float32"
    written, fallback = capsys.readouterr().out.splitlines()
    assert written.startswith("writing the network for openvino")
    assert fallback == f"OpenVINO cannot run this network ({reason}): using Keras"


def test_auto_is_keras_if_the_network_cannot_be_opened(tmp_path, monkeypatch, capsys):
    def write(run, model_format, folder, any_size):
        (folder / "model.xml").write_text("no model")

    monkeypatch.setattr(cache, "_export_in_subprocess", write)
    monkeypatch.setattr(engine, "_GPU_DEVICES", ())
    own = write_run(tmp_path / "run")
    with pytest.raises(UserError, match=r"OpenVINO cannot open .*model\.xml: ") as error:
        open_engine(own, "openvino")
    assert "\n" not in str(error.value)
    assert str(open_engine(own, "auto").infer) == "Keras float32"
    assert capsys.readouterr().out.endswith("): using Keras\n")


def test_a_mistake_in_the_run_is_reported_once(failing_export, tmp_path, capsys):
    own = write_run(tmp_path / "run")
    own.weights().unlink()
    with pytest.raises(UserError, match="no weights yet"):
        open_engine(own, "auto")
    assert capsys.readouterr().out == ""


def test_a_backend_that_is_not_installed(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="onnxruntime is not installed: pip install"):
        open_engine(run, "onnxruntime")


@pytest.mark.parametrize("any_size", [False, True])
def test_the_convolution_that_sees_pixels_and_those_that_make_logits_stay_exact(run, any_size):
    exported = cached_model(run, OPENVINO, any_size)
    is_marked = marked(exported)
    model = openvino_core().read_model(exported)
    shapes = {
        node.get_friendly_name(): node.input_value(1).get_shape()[:2]
        for node in model.get_ordered_ops()
        if node.get_type_name() == "Convolution"
    }
    head = 3 * (5 + len(NAMES))
    ends = {name: seen == 3 or made == head for name, (made, seen) in shapes.items()}
    assert is_marked == ends
    assert sum(is_marked.values()) == 4


def test_these_are_computed_in_float32_and_the_others_in_bfloat16(run):
    if fast_precision() != "bfloat16":
        pytest.skip("a processor without bfloat16")
    exported = cached_model(run, OPENVINO)
    options = {"INFERENCE_PRECISION_HINT": "bf16"}
    compiled = openvino_core().compile_model(exported, "CPU", options)
    runtime = compiled.get_runtime_model()
    computed = {
        node.get_friendly_name(): node.get_rt_info()["runtimePrecision"].astype(str)
        for node in runtime.get_ops()
        if node.get_rt_info()["layerType"].astype(str) == "Convolution"
    }
    wanted = {name: "f32" if is_end else "bf16" for name, is_end in marked(exported).items()}
    assert computed == wanted


def test_predict_with_openvino_imports_neither_tensorflow_nor_what_data_sets_need(run, tmp_path):
    import cv2

    cached_model(run, OPENVINO)
    cv2.imwrite(str(tmp_path / "a.png"), some_images(1)[0])
    code = (
        "import sys; from yolo4.predict.command import predict; "
        "from yolo4.predict.options import PredictOptions; "
        f"predict(PredictOptions(({str(tmp_path / 'a.png')!r},), run={str(run.folder)!r}, "
        f"output={str(tmp_path / 'out')!r}, backend='openvino')); "
        "late = {'tensorflow', 'keras', 'openvino_telemetry.main', 'utils.annotations', 'yaml'}; "
        "print(late & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
    assert re.search(r"^computing with OpenVINO (float32|bfloat16)$", done.stdout, re.MULTILINE)
    (entry,) = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert entry["image"].endswith("a.png")
    assert len(entry["labels"]) == len(entry["boxes"]) > 0
    assert set(entry["labels"]) <= set(NAMES)


DEADLOCK = 300  # seconds; no machine needs as many
FIRST_CALLS = """
import sys, threading
from pathlib import Path
import numpy as np
import openvino
from openvino import opset13
from yolo4.formats.openvino import open_openvino

images = opset13.parameter([-1, 2, 2, 3], np.uint8, name="images")
model = openvino.Model([opset13.convert(images, "f32")], [images])
model.outputs[0].tensor.names = {"boxes"}
path = Path(sys.argv[1]) / "model.xml"
openvino.serialize(model, path)
run, together = open_openvino(path), threading.Barrier(3)

def call():
    together.wait()
    run(np.zeros((1, 2, 2, 3), np.uint8))

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=call, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
TWO_IN_THEIR_ORDER = (
    FIRST_CALLS.partition("run, together")[0]
    + """
import os, signal
from yolo4.formats.openvino import fast_precision
fast_precision()
first, second = open_openvino(path), open_openvino(path)
del first
del second
signal.signal(signal.SIGINT, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGINT)
"""
)


def test_ctrl_c_after_two_models_have_ended_is_heard(tmp_path):
    command = [sys.executable, "-X", "faulthandler", "-c", TWO_IN_THEIR_ORDER, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLOCK)
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def test_first_calls_at_the_same_time_do_not_wait_for_each_other_for_ever(tmp_path):
    for _ in range(3):
        command = [sys.executable, "-c", FIRST_CALLS, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLOCK)
        assert done.returncode == 0, done.stderr
