"""What runs the network of a trained run: Keras, or a runtime that is faster on this machine."""

import dataclasses
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from yolo4.formats.runtimes import (
    Runtime,
    fast_precision,
    library,
    open_litert,
    open_onnx,
    open_openvino,
    openvino_place,
)
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.verified_bfloat16 import Checked
from yolo4.run import Run

Backend = Literal["auto", "keras", "openvino", "onnxruntime", "litert"]
Infer = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]

_GPU = Path("/dev/nvidiactl")


@dataclasses.dataclass(frozen=True)
class Network:
    """The network of a run with the decoding of its logits; as text, what computes it.

    Attributes:
        backend: what computes.
        infer: from images, uint8 `[B, H, W, 3]` RGB, to boxes `[B, N, 4]` (xyxy in input pixels),
            confidence `[B, N]` and class scores `[B, N, C]`.
        precision: of the arithmetic; a `Checked` network knows better.
    """

    backend: str
    infer: Infer
    precision: str = "float32"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `infer` gives."""
        return self.infer(images)

    def __str__(self) -> str:
        chosen = self.infer if isinstance(self.infer, Checked) else self
        return f"{self.backend} {chosen.precision}"


@dataclasses.dataclass(frozen=True)
class Engine:
    """A network that is ready to be called, and how.

    Attributes:
        infer: the network.
        batch_size: images per call that it is fastest with; None: as many as the caller likes.
        parallel: calls at once that it is fastest with, each from a thread of its own.
    """

    infer: Network
    batch_size: int | None = None
    parallel: int = 1


def open_engine(run: Run, backend: Backend = "auto", throughput: bool = False) -> Engine:
    """Make the network of a run ready, in the fastest way that the machine has.

    Args:
        run: a run with weights.
        backend: what computes; "auto" is OpenVINO where it is installed and there is no GPU, else
            Keras.
        throughput: many images in little time, rather than each one as soon as can be.

    Raises:
        UserError: no or unfit weights, or the backend is not installed.
    """
    return _OPEN[_chosen(backend)](run, throughput)


def _chosen(backend: Backend) -> str:
    if backend != "auto":
        return backend
    has_openvino = importlib.util.find_spec("openvino") is not None
    return "openvino" if has_openvino and not _GPU.exists() else "keras"


def _open_keras(run: Run, throughput: bool) -> Engine:
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.inference.keras_network import decoded_network

    network = decoded_network(run)
    precision = network.network.convolutions()[0].compute_dtype
    return Engine(Network("Keras", network.infer, precision))


def _open_openvino(run: Run, throughput: bool) -> Engine:
    library("openvino")
    path = cached_model(run, "openvino")
    streams = os.cpu_count() or 1 if throughput else 1

    def start(precision: str) -> Infer:
        return as_infer(open_openvino(path, precision, streams))

    is_fast = fast_precision("openvino") == "bfloat16"
    memory = path.parent / "bfloat16.json"
    infer = Checked(start, memory, openvino_place()) if is_fast else start("float32")
    return Engine(Network("OpenVINO", infer), batch_size=1, parallel=streams)


def _open_onnxruntime(run: Run, throughput: bool) -> Engine:
    library("onnxruntime")
    return Engine(Network("ONNX Runtime", as_infer(open_onnx(cached_model(run, "onnx")))))


def _open_litert(run: Run, throughput: bool) -> Engine:
    library("ai_edge_litert")
    runtime = open_litert(cached_model(run, "litert"))
    return Engine(Network("LiteRT", as_infer(runtime)), batch_size=1)


def as_infer(runtime: Runtime) -> Infer:
    """A runtime of what `yolo4.export.network.engine_network` makes, as `Detector` takes it."""

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        found = runtime(images)
        return found["boxes"], found["confidence"], found["class_scores"]

    return infer


_OPEN: dict[str, Callable[[Run, bool], Engine]] = {
    "keras": _open_keras,
    "openvino": _open_openvino,
    "onnxruntime": _open_onnxruntime,
    "litert": _open_litert,
}
