"""Opens exported models, each format with its own runtime. No network is built, nor Keras needed.

Every function gives a `Runtime`, safe to call from several threads at once.
"""

import functools
import importlib
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from utils.errors import UserError

Runtime = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From images `[B, H, W, 3]` of the model's type to its outputs by name."""

FILES = {
    "onnx": "model.onnx",
    "openvino": "model.xml",
    "litert": "model.tflite",
    "saved_model": "saved_model",
    "keras": "model.keras",
}


def library(name: str) -> ModuleType:
    """Import a library that only some exports and engines need.

    Raises:
        UserError: it is not installed, or cannot be imported.
    """
    # OpenVINO tells its makers of every import, in processes of its own, unless this is missing.
    sys.modules.setdefault("openvino_telemetry", None)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0].replace("_", "-")
        raise UserError(
            f"{package} is not installed: pip install -r requirements-export.txt"
        ) from None
    except ImportError as error:
        raise UserError(f"{name} is installed, but cannot be imported: {error}") from None


@functools.cache
def openvino_core() -> Any:
    """The one `openvino.Core` of the process.

    Each one gives the thread a stack for signals, and takes it away at its end: where two of them
    end in the order of their beginning, the next Ctrl-C is a crash.

    Raises:
        UserError: OpenVINO is not installed, or cannot be imported.
    """
    return library("openvino").Core()


def fast_precision(form: str) -> str:
    """What the processor computes a float32 model in fastest: "float32", or "bfloat16".

    Args:
        form: one of `FILES`; all but OpenVINO compute in float32.

    Raises:
        UserError: OpenVINO is asked about, but not installed.
    """
    if form != "openvino":
        return "float32"
    # Said of a processor that has instructions for it; on others it would be emulated, slowly.
    capabilities = openvino_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "bfloat16" if "BF16" in capabilities else "float32"


def openvino_place() -> str:
    """Processor and version of OpenVINO, on which it depends what comes out of bfloat16."""
    processor = openvino_core().get_property("CPU", "FULL_DEVICE_NAME")
    return f"{processor}, OpenVINO {library('openvino').get_version()}"


def open_fast(form: str, path: Path) -> Runtime:
    """A model as the processor is fastest with it: what is not in int8 runs in `fast_precision`."""
    if form == "openvino":
        return open_openvino(path, fast_precision(form))
    return OPEN[form](path)


def open_openvino(path: Path, precision: str = "float32", streams: int = 1) -> Runtime:
    """A model of OpenVINO, for one image per call where its batch is free.

    Args:
        path: an `.xml` file, with its `.bin` beside it.
        precision: `"float32"` or `"bfloat16"`, of the arithmetic.
        streams: so many calls run at once, with the cores divided among them.
    """
    openvino, core = library("openvino"), openvino_core()
    model = core.read_model(path)
    names = [set(output.get_names()) for output in model.outputs]
    compiled = core.compile_model(
        model,
        "CPU",
        {
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
            "NUM_STREAMS": streams,
        },
    )
    # OpenVINO lists its number types at their first use; threads that come to it together wait for
    # each other for ever.
    _ = openvino.Tensor(np.zeros(1, np.uint8)).data
    requests = threading.local()

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        found = requests.own.infer({0: images}, share_inputs=True)
        return {_plain(aliases): found[i].copy() for i, aliases in enumerate(names)}

    return run


def _plain(aliases: set[str]) -> str:
    """Of a tensor's names the one that the export gave it: the shortest."""
    return min(aliases, key=len)


def open_onnx(path: Path) -> Runtime:
    """A model in ONNX."""
    session = library("onnxruntime").InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(None, {"images": images}), strict=True))


def open_litert(path: Path) -> Runtime:
    """A model of LiteRT; calls wait for one another."""
    interpreter = library("ai_edge_litert.interpreter").Interpreter(
        str(path), num_threads=os.cpu_count()
    )
    lock = threading.Lock()
    runner = interpreter.get_signature_runner()

    def run(images: np.ndarray) -> dict[str, np.ndarray]:
        with lock:
            return {name: value.copy() for name, value in runner(images=images).items()}

    return run


def open_saved_model(path: Path) -> Runtime:
    """A SavedModel, by TensorFlow."""
    tensorflow = library("tensorflow")
    serve = tensorflow.saved_model.load(str(path)).signatures["serving_default"]
    return lambda images: {
        name: value.numpy() for name, value in serve(images=tensorflow.constant(images)).items()
    }


def open_keras(path: Path) -> Runtime:
    """A `.keras` file, by Keras with the layers of `nets`."""
    import keras

    import nets.outputs
    import nets.yolov4  # noqa: F401  registers its layers

    model: Any = keras.models.load_model(path)
    return lambda images: {
        name: keras.ops.convert_to_numpy(value)
        for name, value in model.predict_on_batch(images).items()
    }


OPEN: dict[str, Callable[[Path], Runtime]] = {
    "onnx": open_onnx,
    "openvino": open_openvino,
    "litert": open_litert,
    "saved_model": open_saved_model,
    "keras": open_keras,
}
