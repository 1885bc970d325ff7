"""The exported network of a run: written once, and again when something changes."""

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from tests.helpers import ROOT
from tests.helpers.made_run import NAMES, write_copy, write_run
from tests.helpers.processes import assert_gone
from utils.anchors import format_anchors
from utils.errors import UserError
from utils.files import lock
from utils.files.lock import locked
from utils.files.writing import temporary_folder
from yolo4.build import build_model
from yolo4.config import Config
from yolo4.formats.onnx import ONNX
from yolo4.inference import engine_cache as cache
from yolo4.inference.engine_cache import cached_model
from yolo4.options import option
from yolo4.run import Run

DEADLOCK = 300  # seconds; no machine needs as many


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
    assert fields == {*OTHER_VALUES, "weights", "fresh_heads", "anchors"}
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
def test_an_export_ends_with_the_killed_process_that_needs_it(run, tmp_path, monkeypatch):
    own = write_copy(run, tmp_path / "run")
    # The export would last forever.
    (tmp_path / "keras.py").write_text("import threading\nthreading.Event().wait()\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
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
    assert_gone(exports, DEADLOCK)  # it may not have begun to watch
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


def test_a_run_that_cannot_be_written_is_reported(tmp_path):
    own = write_run(tmp_path / "run")
    (own.folder / "engines").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot be written to .*engines.*; --backend keras needs"):
        cached_model(own, ONNX)


def test_an_export_that_is_killed_is_reported(tmp_path, monkeypatch):
    ended = subprocess.CompletedProcess([], -9, stderr="some warning\n")
    monkeypatch.setattr(cache.subprocess, "run", lambda *_, **__: ended)
    with pytest.raises(UserError, match=r"^writing the network for onnx ended with status -9$"):
        cached_model(write_run(tmp_path / "run"), ONNX)
