"""LiteRT, once called TensorFlow Lite."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from yolo4.formats.format import ModelFormat, Runtime
from yolo4.formats.keras_export import export_with_keras
from yolo4.formats.libraries import library

if TYPE_CHECKING:
    import keras


def write_litert(model: "keras.Model", path: Path) -> None:
    """Write a model as a `.tflite` file."""
    export_with_keras(model, path, "litert")


def open_litert(path: Path) -> Runtime:
    """Open a `.tflite` file; its calls run one after another."""
    interpreter = library("ai_edge_litert.interpreter").Interpreter(
        str(path), num_threads=os.cpu_count()
    )
    lock = threading.Lock()
    runner = interpreter.get_signature_runner()

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        with lock:
            return {name: value.copy() for name, value in runner(images=images).items()}

    return run


def _write_float16(
    model: "keras.Model", float32_path: Path, path: Path, images: np.ndarray
) -> None:
    import tensorflow as tf

    _write_quantized(model, path, target_spec={"supported_types": [tf.float16]})


def _write_int8(model: "keras.Model", float32_path: Path, path: Path, images: np.ndarray) -> None:
    # Without images, LiteRT measures the range of each convolution's input while it runs. With
    # calibrated ranges it would round the exp, log and tanh that Mish consists of here, and the
    # decoding, too: no object was found, and with those left in float mAP still fell by 4 points.
    _write_quantized(model, path)


def _write_quantized(model: "keras.Model", path: Path, **settings: Any) -> None:
    import tensorflow as tf

    optimizations = [tf.lite.Optimize.DEFAULT]
    export_with_keras(model, path, "litert", optimizations=optimizations, **settings)


LITERT = ModelFormat(
    name="litert",
    files=("model.tflite",),
    write=write_litert,
    open=open_litert,
    quantize={"float16": _write_float16, "int8": _write_int8},
)
