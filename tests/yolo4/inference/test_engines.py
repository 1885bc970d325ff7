import dataclasses
import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from tests.helpers import ROOT
from tests.helpers.made_run import NAMES, some_images, write_copy, write_run
from tests.yolo4.formats.test_float32_layers import marked
from utils.anchors import format_anchors
from utils.errors import UserError
from utils.files import lock
from utils.files.lock import locked
from utils.files.writing import temporary_folder
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.formats.libraries import openvino_core
from yolo4.formats.onnx import ONNX
from yolo4.formats.openvino import OPENVINO, fast_precision
from yolo4.inference import engine
from yolo4.inference import engine_cache as cache
from yolo4.inference.detector import Detector
from yolo4.inference.engine import open_engine
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.keras_network import decode_layer, load_network
from yolo4.options import option
from yolo4.run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("logs") / "run")


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
    "backend", ["keras", "openvino", pytest.param("onnxruntime", marks=pytest.mark.slow)]
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


def test_the_network_is_written_once_and_again_when_something_changes(run, tmp_path, monkeypatch):
    made = []

    def write(run, model_format, folder, any_size):
        made.append(run.config().grid_sensitivity)
        (folder / "model.onnx").write_text("a model")

    monkeypatch.setattr(cache, "_export_in_subprocess", write)
    own = write_run(tmp_path / "run")
    for _ in range(2):
        assert cached_model(own, ONNX).read_text() == "a model"
    assert len(made) == 1
    (own.folder / "best.weights.h5").write_bytes(run.weights().read_bytes() + b" ")
    cached_model(own, ONNX)
    config = dataclasses.replace(own.config(), scale_x_y=(1.0, 1.0, 1.0))
    own.config_file.write_text(config.to_json())
    cached_model(own, ONNX)
    assert made[1:] == [(1.2, 1.1, 1.05), (1.0, 1.0, 1.0)]
    assert sorted(file.name for file in (own.folder / "engines").iterdir()) == ["onnx"]


@pytest.mark.parametrize("name", ["model.onnx", "key.json"])
@pytest.mark.parametrize("content", [None, b"", b"other", b"[" * 10_000, b'{"files": 3}'])
def test_a_damaged_network_is_written_again(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr(
        cache, "_export_in_subprocess", lambda _, __, folder, ___: write(folder / "model.onnx")
    )

    def write(path):
        path.write_text("a model")

    own = write_run(tmp_path / "run")
    file = cached_model(own, ONNX).with_name(name)
    before = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert cached_model(own, ONNX).read_text() == "a model"
    assert file.read_bytes() == before


def test_networks_for_one_and_for_any_size_are_kept_apart(tmp_path, monkeypatch):
    made = []

    def write(run, model_format, folder, any_size):
        made.append(any_size)
        (folder / "model.onnx").write_text(str(any_size))

    monkeypatch.setattr(cache, "_export_in_subprocess", write)
    own = write_run(tmp_path / "run")
    for any_size in (False, True, False, True):
        assert cached_model(own, ONNX, any_size).read_text() == str(any_size)
    assert made == [False, True]
    assert cache.cache_key(own, True) != cache.cache_key(own)


OTHER_VALUES = {
    "network": "yolov4-tiny-3l",
    "input_size": 96,
    "width": 0.125,
    "depth": 0.4,
    "scale_x_y": (1.0, 1.0, 1.0),
    "batch_norm_epsilon": 1e-3,
}


def test_the_cache_key_has_every_setting_of_the_network_but_those_known_by_their_results(run):
    fields = {f.name for f in dataclasses.fields(Config) if f.metadata["group"] == "network"}
    assert fields == {*OTHER_VALUES, "weights", "anchors"}
    assert set(cache.cache_key(run)["network"]) == set(OTHER_VALUES)


@pytest.mark.parametrize("name", OTHER_VALUES)
def test_another_setting_of_the_network_is_another_key(run, tmp_path, name):
    other = write_copy(run, tmp_path / "run", **{name: OTHER_VALUES[name]})
    assert cache.cache_key(other) != cache.cache_key(run)


def test_other_anchors_and_class_names_are_another_key_but_settings_of_training_are_not(
    run, tmp_path
):
    other = write_copy(run, tmp_path / "run", weights="logs/other", epochs=7)
    assert cache.cache_key(other) == cache.cache_key(run)
    other.classes_file.write_text("apple\n", encoding="utf-8")
    assert cache.cache_key(other) != cache.cache_key(run)
    other.classes_file.write_bytes(run.classes_file.read_bytes())
    other.anchors_file.write_text(format_anchors(run.anchors() + 1), encoding="utf-8")
    assert cache.cache_key(other) != cache.cache_key(run)


def test_a_new_setting_of_the_network_is_part_of_the_key(run):
    @dataclasses.dataclass(frozen=True)
    class NewConfig(Config):
        mish: bool = option(True, "Mish activations", "network")
        more_epochs: int = option(1, "epochs", "optimization")

    @dataclasses.dataclass(frozen=True)
    class NewRun(Run):
        def config(self):
            return NewConfig(**dataclasses.asdict(super().config()))

    network = cache.cache_key(NewRun(run.folder))["network"]
    assert network == {**cache.cache_key(run)["network"], "mish": True}


def test_the_network_is_built_of_settings_that_are_in_the_key(run):
    config, used = run.config(), set()

    class Recorder:
        def __getattr__(self, name):
            used.add(name)
            return getattr(config, name)

    build_model(Recorder(), len(NAMES))
    # The initial bias, which the weights replace, and what changes the training only.
    used -= {"confidence_prior", "freeze_bn", "multi_scale"}
    names = {"input_shape": "input_size", "network_spec": "network"}
    assert {names.get(name, name) for name in used} <= set(cache.cache_key(run)["network"])
    assert len(used) >= 4


def test_what_another_process_is_writing_is_waited_for(tmp_path, monkeypatch):
    own = write_run(tmp_path / "run")
    engines, is_theirs, is_awaited = own.folder / "engines", threading.Event(), threading.Event()
    monkeypatch.setattr(cache, "_export_in_subprocess", None)  # this process writes nothing
    monkeypatch.setattr(lock, "print", lambda line: is_awaited.set(), raising=False)

    def write_theirs():
        with locked(engines):
            is_theirs.set()
            theirs = engines / "onnx"
            theirs.mkdir()
            assert is_awaited.wait(DEADLOCK)
            (theirs / "model.onnx").write_text("theirs")
            key = cache.cache_key(own) | {"files": cache._digests(theirs)}
        (theirs / "key.json").write_text(json.dumps(key))

    with ThreadPoolExecutor(1) as other:
        written = other.submit(write_theirs)
        assert is_theirs.wait(DEADLOCK)
        assert cached_model(own, ONNX).read_text() == "theirs"
        written.result()
    assert [file.name for file in engines.iterdir()] == ["onnx"]


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_an_export_ends_with_the_killed_process_that_needs_it(run, tmp_path):
    own = write_copy(run, tmp_path / "run")
    code = (
        "from yolo4.formats.onnx import ONNX\n"
        "from yolo4.inference.engine_cache import cached_model\n"
        "from yolo4.run import open_run\n"
        f"cached_model(open_run({str(own.folder)!r}), ONNX)"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) as parent:
        end = time.monotonic() + DEADLOCK
        while not (exports := psutil.Process(parent.pid).children()):
            assert time.monotonic() < end
            time.sleep(0.05)
        parent.kill()
    _, alive = psutil.wait_procs(exports, timeout=5)  # it may not have begun to watch
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
    with locked(own.folder / "engines"):
        assert sorted(p.name for p in (own.folder / "engines").iterdir()) == [".lock", ".owner"]


def test_what_a_killed_process_left_in_the_cache_is_removed(tmp_path, monkeypatch):
    own = write_run(tmp_path / "run")
    monkeypatch.setattr(cache, "_export_in_subprocess", lambda *_: None)
    (own.folder / "engines").mkdir()
    killed = temporary_folder(own.folder / "engines")
    (killed.__enter__() / "model.onnx").write_text("half of i")
    cached_model(own, ONNX)
    assert [file.name for file in (own.folder / "engines").iterdir()] == ["onnx"]


def test_a_run_that_cannot_be_written_is_told(tmp_path):
    own = write_run(tmp_path / "run")
    (own.folder / "engines").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be written to .*engines.*; --backend keras needs"):
        cached_model(own, ONNX)


def test_an_export_that_is_killed_is_told(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], -9, stderr="some warning\n")
    monkeypatch.setattr(cache.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(UserError, match=r"^writing the network for onnx ended with status -9$"):
        cached_model(write_run(tmp_path / "run"), ONNX)


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
