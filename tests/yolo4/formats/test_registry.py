"""The registry of formats: what the options of an export take from it, and what it imports."""

import subprocess
import sys
import typing

import keras
import pytest

from tests.helpers import ROOT
from utils.errors import UserError
from yolo4.export.options import ExportOptions
from yolo4.formats import FORMATS, MODEL_FORMATS
from yolo4.formats.keras_export import export_with_keras

pytestmark = pytest.mark.quick

HEAVY = {"keras", "tensorflow", "openvino", "cv2", "onnx", "onnxruntime", "ai_edge_litert", "PIL"}


def test_the_options_follow_the_registry():
    hints = typing.get_type_hints(ExportOptions)
    assert typing.get_args(hints["format"]) == tuple(FORMATS)
    for name, entry in FORMATS.items():
        assert name == entry.name
        for precision in entry.precisions:
            assert ExportOptions(format=name, precision=precision).precision == precision


def test_formats_are_told_apart_by_their_files():
    files = [file for entry in FORMATS.values() for file in entry.files]
    assert len(set(files)) == len(files)


def test_every_format_takes_float32_first_and_only_darknet_stores_the_network_alone():
    assert {entry.precisions[0] for entry in FORMATS.values()} == {"float32"}
    assert set(FORMATS) - set(MODEL_FORMATS) == {"darknet"}


@pytest.mark.parametrize("module", ["yolo4.formats", "yolo4.export.options"])
def test_it_imports_nothing_heavy(module):
    code = f"import sys, {module}; print({HEAVY!r} & set(sys.modules))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_keras_on_another_backend_than_tensorflow_exports_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(UserError, match=r"^Keras runs on jax, .*set KERAS_BACKEND=tensorflow$"):
        export_with_keras(model, tmp_path / "saved_model", "tf_saved_model")
    assert not list(tmp_path.iterdir())
