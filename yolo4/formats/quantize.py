"""Writes exported models in half precision and in int8."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from yolo4.formats.runtimes import library, openvino_core

# Boxes are in pixels and their sides exponentials: 8 bits are too few for either.
_DECODING = ".*/decode.*"


def write_lower(
    model: keras.Model, form: str, precision: str, exact: Path, path: Path, images: np.ndarray
) -> None:
    """Write a model in a lower precision than it was exported in.

    Args:
        model: what was exported.
        form: "openvino" or "litert".
        precision: "float16" or "int8".
        exact: the model in float32.
        path: the file to write, another one.
        images: `[N, H, W, 3]`, what int8 is calibrated on.

    Raises:
        UserError: a library that this needs is not installed.
    """
    _LOWER[form, precision](model, exact, path, images)


def quantize_openvino(exact: Path, path: Path, images: np.ndarray) -> None:
    """Write a model of OpenVINO in int8, all but the decoding of its logits.

    Args:
        exact: the model in float32.
        path: the file to write, another one.
        images: `[N, H, W, 3]`, to calibrate it.
    """
    openvino, nncf = library("openvino"), library("nncf")
    model = openvino_core().read_model(exact)
    batch = model.input(0).get_partial_shape()[0]
    size = batch.get_length() if batch.is_static else 1
    # Where a fixed batch does not divide their number, the last one begins again.
    batches = [
        np.resize(images[start : start + size], (size, *images.shape[1:]))
        for start in range(0, len(images), size)
    ]
    quantized = nncf.quantize(
        model,
        nncf.Dataset(batches),
        # Symmetric ranges: the zero points of others take a sixth more time, and gained no mAP.
        # All of it: Mish and leaky ReLU are computed inside the int8 convolutions, and leaving the
        # first of these in float was no faster.
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(patterns=[_DECODING], validate=False),
    )
    openvino.save_model(quantized, path, compress_to_fp16=False)


def _openvino_int8(model: keras.Model, exact: Path, path: Path, images: np.ndarray) -> None:
    quantize_openvino(exact, path, images)


def _openvino_float16(model: keras.Model, exact: Path, path: Path, images: np.ndarray) -> None:
    openvino = library("openvino")
    openvino.save_model(openvino_core().read_model(exact), path, compress_to_fp16=True)


def _litert_float16(model: keras.Model, exact: Path, path: Path, images: np.ndarray) -> None:
    import tensorflow as tf

    _litert(model, path, target_spec={"supported_types": [tf.float16]})


def _litert_int8(model: keras.Model, exact: Path, path: Path, images: np.ndarray) -> None:
    # No images: LiteRT finds the range of what enters a convolution as it runs. With calibrated
    # ranges all of exp, log and tanh of which Mish consists here would be rounded, and the
    # decoding: no object was found, and with both of them left in float mAP still fell by 4 points.
    _litert(model, path)


def _litert(model: keras.Model, path: Path, **settings: Any) -> None:
    import tensorflow as tf

    optimizations = [tf.lite.Optimize.DEFAULT]
    model.export(str(path), format="litert", verbose=False, optimizations=optimizations, **settings)


_LOWER: dict[tuple[str, str], Callable[[keras.Model, Path, Path, np.ndarray], None]] = {
    ("openvino", "float16"): _openvino_float16,
    ("openvino", "int8"): _openvino_int8,
    ("litert", "float16"): _litert_float16,
    ("litert", "int8"): _litert_int8,
}
