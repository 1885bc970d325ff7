"""ONNX, run by ONNX Runtime."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from yolo4.formats.format import ModelFormat, Runtime
from yolo4.formats.keras_export import export_with_keras
from yolo4.formats.libraries import library

if TYPE_CHECKING:
    import keras


def write_onnx(model: "keras.Model", path: Path) -> None:
    """Write a model as an `.onnx` file.

    Raises:
        UserError: a library that this needs is not installed.
    """
    library("onnx")
    library("tf2onnx")
    with warnings.catch_warnings():
        # Keras tests whether NumPy has an "object", which NumPy warns about.
        warnings.filterwarnings("ignore", "In the future `np.object`", FutureWarning)
        export_with_keras(model, path, "onnx")


def open_onnx(path: Path) -> Runtime:
    """Open an `.onnx` file on the CPU."""
    session = library("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(None, {"images": images}), strict=True))


ONNX = ModelFormat(
    name="onnx", files=("model.onnx",), has_nms=True, write=write_onnx, open=open_onnx
)
