"""Opens the network of a run in Keras or in a backend that is faster on this machine."""

import dataclasses
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from utils.errors import UserError
from yolo4.formats.format import Runtime
from yolo4.formats.libraries import library
from yolo4.formats.litert import LITERT
from yolo4.formats.onnx import ONNX
from yolo4.formats.openvino import (
    OPENVINO,
    fast_precision,
    open_openvino,
    processor_and_version,
)
from yolo4.inference import Backend, Precision
from yolo4.inference.agreement import Infer, Outputs
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.streams import measured_streams
from yolo4.inference.verified_bfloat16 import VerifiedBfloat16
from yolo4.run import Run

# Devices of an NVIDIA GPU: of its driver on Linux, and under WSL 2.
_GPU_DEVICES = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


@dataclasses.dataclass(frozen=True)
class BackendNetwork:
    """The network of a run with the decoding of its logits; its text names the backend.

    Attributes:
        backend: the name of the backend.
        infer: from images, uint8 `[B, H, W, 3]` RGB, to boxes `[B, N, 4]` (xyxy in input pixels),
            confidence `[B, N]` and class scores `[B, N, C]`.
        precision: of the arithmetic, unless `infer` is a `VerifiedBfloat16`, which knows its own.
    """

    backend: str
    infer: Infer
    precision: str = "float32"

    def __call__(self, images: np.ndarray) -> Outputs:
        """The outputs of `infer`."""
        return self.infer(images)

    def __str__(self) -> str:
        owner = self.infer if isinstance(self.infer, VerifiedBfloat16) else self
        return f"{self.backend} {owner.precision}"


@dataclasses.dataclass(frozen=True)
class Engine:
    """A network that is ready to be called, and how to call it.

    Attributes:
        infer: the network.
        batch_size: the fastest number of images per call; None: any number.
        parallel: the fastest number of simultaneous calls, each from a separate thread.
    """

    infer: BackendNetwork
    batch_size: int | None = None
    parallel: int = 1


def open_engine(
    run: Run,
    backend: Backend = "auto",
    throughput: bool = False,
    any_size: bool = False,
    precision: Precision = "auto",
) -> Engine:
    """Open the network of a run with a backend.

    Args:
        run: a run with weights.
        backend: the backend; "auto" is OpenVINO if it is installed, there is no GPU and it can
            run the network, else Keras.
        throughput: optimize for many images in little time rather than for the latency of each.
        any_size: whether images may have another size than the run's input.
        precision: of the arithmetic; "int8" needs OpenVINO, and is used if it keeps the mAP.

    Raises:
        UserError: there are no weights or they do not fit the run, or the named backend is not
            installed, cannot run the network, runs images of one size only or has no int8.
    """
    chosen = _choose(backend)
    if precision == "int8":
        if chosen != "openvino":
            raise UserError(f"--precision int8 needs --backend openvino, not {chosen}")
        return _open_openvino(run, throughput, any_size, precision)
    try:
        return _OPEN[chosen](run, throughput, any_size)
    except UserError as error:
        if chosen in (backend, "keras"):
            if isinstance(error.__cause__, RuntimeError):  # the traceback of an export that failed
                sys.stderr.write(f"{error.__cause__}\n")
            raise
        engine = _open_keras(run, throughput, any_size)  # reports a mistake in the run itself
        print(f"OpenVINO cannot run this network ({error}): using Keras")
        return engine


def _choose(backend: Backend) -> str:
    if backend != "auto":
        return backend
    has_openvino = importlib.util.find_spec("openvino") is not None
    has_gpu = any(device.exists() for device in _GPU_DEVICES)
    return "openvino" if has_openvino and not has_gpu else "keras"


def _open_keras(run: Run, throughput: bool, any_size: bool) -> Engine:
    from yolo4.quiet import quiet_start

    with quiet_start():
        from yolo4.inference.keras_network import decoded_network

    network = decoded_network(run)
    return Engine(BackendNetwork("Keras", network.infer, network.precision))


def _open_openvino(
    run: Run, throughput: bool, any_size: bool, precision: Precision = "auto"
) -> Engine:
    library("openvino")
    int8_path = _accepted_int8(run, any_size) if precision == "int8" else None
    if int8_path is not None:
        streams = _streams(int8_path, "float32", run) if throughput else 1
        infer = as_infer(open_openvino(int8_path, streams=streams))
        return Engine(BackendNetwork("OpenVINO", infer, "int8"), 1, streams)
    # One compiled model for images of any size: one for each size would be a few percent faster,
    # but each of YOLOv4 takes seconds to compile and 0.3 GB of memory.
    path = cached_model(run, OPENVINO, any_size)
    streams = _streams(path, fast_precision(), run) if throughput else 1
    infer = _fastest_infer(path, streams)
    return Engine(BackendNetwork("OpenVINO", infer), batch_size=1, parallel=streams)


def _fastest_infer(path: Path, streams: int) -> Infer:
    def open_in(precision: str) -> Infer:
        return as_infer(open_openvino(path, precision, streams))

    if fast_precision() == "bfloat16":
        result_file = path.parent / "bfloat16.json"
        return VerifiedBfloat16(open_in, result_file, processor_and_version())
    return open_in("float32")


def _streams(path: Path, precision: str, run: Run) -> int:
    def open_with(streams: int) -> Infer:
        return as_infer(open_openvino(path, precision, streams))

    size, result_file = run.config().input_shape, path.parent / "streams.json"
    return measured_streams(open_with, size, result_file, processor_and_version())


def _accepted_int8(run: Run, any_size: bool) -> Path | None:
    # Here, because the others need nothing of what reads data sets and measures mAP.
    from yolo4.inference.int8 import int8_model

    path, result = int8_model(run, any_size)
    print(result)
    return path if result.is_accepted else None


def _open_onnxruntime(run: Run, throughput: bool, any_size: bool) -> Engine:
    library("onnxruntime")
    infer = as_infer(ONNX.open(cached_model(run, ONNX, any_size)))
    return Engine(BackendNetwork("ONNX Runtime", infer))


def _open_litert(run: Run, throughput: bool, any_size: bool) -> Engine:
    library("ai_edge_litert")
    if any_size:
        raise UserError("--rect: LiteRT runs images of one size only; name another --backend")
    infer = as_infer(LITERT.open(cached_model(run, LITERT)))
    return Engine(BackendNetwork("LiteRT", infer), batch_size=1)


def as_infer(runtime: Runtime) -> Infer:
    """The outputs of a model of `keras_network.engine_network`, in the order of `Detector`."""

    def infer(images: np.ndarray) -> Outputs:
        outputs = runtime(images)
        return outputs["boxes"], outputs["confidence"], outputs["class_scores"]

    return infer


_OPEN: dict[str, Callable[[Run, bool, bool], Engine]] = {
    "keras": _open_keras,
    "openvino": _open_openvino,
    "onnxruntime": _open_onnxruntime,
    "litert": _open_litert,
}
