"""OpenVINO, whose CPU plugin runs YOLOv4 faster than the other runtimes here."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from utils.errors import UserError
from utils.files.writing import temporary_folder
from utils.printable import one_line
from yolo4.environment.onednn import allows_bfloat16
from yolo4.formats.float32_layers import mark_float32_layers
from yolo4.formats.format import ModelFormat, Runtime
from yolo4.formats.libraries import library, openvino_core
from yolo4.formats.onnx import ONNX
from yolo4.formats.saved_model import SAVED_MODEL

if TYPE_CHECKING:
    import keras

# Boxes are in pixels and their sides are exponentials: 8 bits are too few for either.
_DECODING = ".*/decode.*"


def write_openvino(model: "keras.Model", path: Path) -> None:
    """Write a model as an `.xml` file with its `.bin` beside it.

    Raises:
        UserError: a library that this needs is not installed.
    """
    from yolo4.formats.nms_layer import NonMaxSuppression

    openvino = library("openvino")
    # OpenVINO reads ONNX's operator for non-maximum suppression, but not TensorFlow's.
    has_nms = any(isinstance(layer, NonMaxSuppression) for layer in model.layers)
    source = ONNX if has_nms else SAVED_MODEL
    # From a file: given a model in memory, OpenVINO's converter fails on Python 3.13.
    with temporary_folder(path.parent) as folder:
        source_path = folder / source.file
        source.write(model, source_path)
        openvino.save_model(openvino.convert_model(source_path), path, compress_to_fp16=False)
    mark_float32_layers(path)


def open_openvino(path: Path, precision: str = "float32", streams: int = 1) -> Runtime:
    """Open a model; if its batch size is free, it is fastest with one image per call.

    Args:
        path: an `.xml` file, with its `.bin` beside it.
        precision: `"float32"` or `"bfloat16"`, of the arithmetic.
        streams: number of calls that run at once and share the cores.

    Raises:
        UserError: OpenVINO is not installed or cannot run the model.
    """
    openvino, core = library("openvino"), openvino_core()
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "NUM_STREAMS": streams,
    }
    try:
        model = core.read_model(path)
        compiled = core.compile_model(model, "CPU", settings)
    except RuntimeError as error:
        raise UserError(f"OpenVINO cannot open {path}: {one_line(error)}") from error
    names = [set(output.get_names()) for output in model.outputs]
    # OpenVINO fills its table of number types at the first use; threads that use it for the first
    # time together deadlock.
    _ = openvino.Tensor(np.zeros(1, np.uint8)).data
    thread_local = threading.local()

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        if not hasattr(thread_local, "request"):
            thread_local.request = compiled.create_infer_request()
        outputs = thread_local.request.infer({0: images}, share_inputs=True)
        return {_exported_name(aliases): outputs[i].copy() for i, aliases in enumerate(names)}

    return run


def _exported_name(aliases: set[str]) -> str:
    """Of a tensor's names the one that the export gave it: the shortest."""
    return min(aliases, key=len)


def fast_precision() -> str:
    """The precision in which this processor runs a float32 model fastest: float32 or bfloat16.

    Raises:
        UserError: OpenVINO is not installed.
    """
    # Listed only if the processor has instructions for it; emulated bfloat16 would be slow. A limit
    # of the instructions does not shorten the list, and the model would stop in its first image.
    capabilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bfloat16" if "BF16" in capabilities and allows_bfloat16() else "float32"


def processor_and_version() -> str:
    """The processor and OpenVINO's version, on which the results of bfloat16 depend."""
    processor = openvino_core().get_property("CPU", "FULL_DEVICE_NAME")
    return f"{processor}, OpenVINO {library('openvino').get_version()}"


def quantize_int8(float32_path: Path, path: Path, images: np.ndarray) -> None:
    """Write a model in int8, except for the decoding of its logits.

    Args:
        float32_path: the model in float32.
        path: the file to write, another one.
        images: `[N, H, W, 3]`, to calibrate it.
    """
    openvino, nncf = library("openvino"), library("nncf")
    nncf.set_log_level(logging.WARNING)  # otherwise a line for each operation that stays in float
    model = openvino_core().read_model(float32_path)
    batch = model.input(0).get_partial_shape()[0]
    size = batch.get_length() if batch.is_static else 1
    # If the number of images is no multiple of a fixed batch size, the last batch repeats its own.
    batches = [
        np.resize(images[start : start + size], (size, *images.shape[1:]))
        for start in range(0, len(images), size)
    ]
    quantized = nncf.quantize(
        model,
        nncf.Dataset(batches),
        # Symmetric ranges: the zero points of asymmetric ones take a sixth more time and gained no
        # mAP. Every layer: Mish and leaky ReLU are computed inside the int8 convolutions, and
        # leaving the first convolutions in float was no faster.
        preset=nncf.QuantizationPreset.PERFORMANCE,
        subset_size=len(batches),
        ignored_scope=nncf.IgnoredScope(patterns=[_DECODING], validate=False),
    )
    openvino.save_model(quantized, path, compress_to_fp16=False)


def _write_int8(model: "keras.Model", float32_path: Path, path: Path, images: np.ndarray) -> None:
    quantize_int8(float32_path, path, images)


def _write_float16(
    model: "keras.Model", float32_path: Path, path: Path, images: np.ndarray
) -> None:
    openvino = library("openvino")
    openvino.save_model(openvino_core().read_model(float32_path), path, compress_to_fp16=True)


OPENVINO = ModelFormat(
    name="openvino",
    files=("model.xml", "model.bin"),
    has_nms=True,
    write=write_openvino,
    open=open_openvino,
    quantize={"float16": _write_float16, "int8": _write_int8},
    fast_precision=fast_precision,
    open_fast=lambda path: open_openvino(path, fast_precision()),
)
