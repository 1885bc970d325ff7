"""Writes a network in the formats that other programs read."""

import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from yolo4.formats.float32_layers import keep_ends_exact
from yolo4.formats.nms_layer import Suppress
from yolo4.formats.runtimes import FILES, library


def write_model(model: keras.Model, form: str, folder: Path) -> Path:
    """Write a network as one of `yolo4.formats.runtimes.FILES`.

    Args:
        model: from `images` to a mapping of outputs.
        form: the format's name.
        folder: where its file, or files, go.

    Returns:
        The file, or the SavedModel's folder.

    Raises:
        UserError: a library that the format needs is not installed.
    """
    path = folder / FILES[form]
    _WRITE[form](model, path)
    return path


def _write_onnx(model: keras.Model, path: Path) -> None:
    library("onnx")
    library("tf2onnx")
    # Keras writes ONNX only of a model that was called.
    model(np.zeros([side or 1 for side in model.input_shape], model.input.dtype))
    with warnings.catch_warnings():
        # Keras asks whether NumPy has an "object", and NumPy warns of the question.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        model.export(str(path), format="onnx", verbose=False)


def _write_openvino(model: keras.Model, path: Path) -> None:
    openvino = library("openvino")
    if any(isinstance(layer, Suppress) for layer in model.layers):
        # OpenVINO reads ONNX's operator for suppression, but not TensorFlow's.
        passing = path.with_suffix(".onnx")
        _write_onnx(model, passing)
        openvino.save_model(openvino.convert_model(passing), path, compress_to_fp16=False)
        passing.unlink()
    else:
        model.export(str(path), format="openvino", verbose=False)
    keep_ends_exact(path)


def _write_litert(model: keras.Model, path: Path) -> None:
    model.export(str(path), format="litert", verbose=False)


def _write_saved_model(model: keras.Model, path: Path) -> None:
    model.export(str(path), format="tf_saved_model", verbose=False)


def _write_keras(model: keras.Model, path: Path) -> None:
    model.save(path)


_WRITE: dict[str, Callable[[keras.Model, Path], None]] = {
    "onnx": _write_onnx,
    "openvino": _write_openvino,
    "litert": _write_litert,
    "saved_model": _write_saved_model,
    "keras": _write_keras,
}
