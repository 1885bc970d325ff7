"""The same weights in several libraries, from a decoded image to its final boxes."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.workers import Steps
from utils.errors import UserError
from yolo4.inference import Backend
from yolo4.inference.agreement import Infer, Outputs
from yolo4.inference.detector import Detector
from yolo4.inference.pipeline import overlapped
from yolo4.run import Run, open_run

BOXES = "boxes.npy"  # in the run's folder: what Keras decodes from `sample`


class Engine(NamedTuple):
    """A library that runs the network.

    Attributes:
        name: in the table.
        module: what has to be installed.
        backend: of this project, if it is one.
        open: opens Darknet's weights of a run; None for a backend.
    """

    name: str
    module: str
    backend: Backend | None = None
    open: Callable[[Run, Path], Infer] | None = None


def engine_steps(number: int, run_folder: str, weights: str, images: int) -> Steps:
    """Detection with an engine: `run(1)` detects in one image, `run(images)` in a folder of them.

    Args:
        number: of the engine in `ENGINES`.
        run_folder: the run.
        weights: its weights for Darknet; the network is beside them as `.cfg`.
        images: number of images in the folder.

    Returns:
        The steps; their note is the library with its precision, and the largest difference of a
        box from the network in Keras, in pixels.
    """
    engine, run = ENGINES[number], open_run(run_folder)
    single, folder = _detectors(engine, run, Path(weights), images)
    rng = np.random.default_rng(0)
    photos = list(rng.integers(0, 256, (images, 480, 640, 3), np.uint8))

    def run_steps(count: int) -> float:
        start = time.perf_counter()
        if count == 1:
            single.detect(photos[0])
        else:
            size = folder.batch_size
            batches = [photos[i : i + size] for i in range(0, count, size)]
            for _ in overlapped(folder.detect_batch, batches, folder.parallel, folder.parallel):
                pass
        return time.perf_counter() - start

    difference = float(np.abs(single.infer(sample(run))[0] - np.load(run.folder / BOXES)).max())
    name = f"{engine.name}, {single.infer}" if engine.backend else f"{engine.name} float32"
    return Steps(run_steps, note=(name, difference))


def sample(run: Run) -> np.ndarray:
    """The image on which the engines are compared, uint8 `[1, H, W, 3]`."""
    return np.random.default_rng(1).integers(0, 256, (1, *run.config().input_shape, 3), np.uint8)


def _detectors(engine: Engine, run: Run, weights: Path, images: int) -> tuple[Detector, Detector]:
    """That for one image, and that for a folder."""
    if engine.backend:
        backend = engine.backend
        single = Detector.from_run(run.folder, backend=backend)
        return single, Detector.from_run(run.folder, backend=backend, throughput=True)
    infer = engine.open(run, weights)
    arguments = infer, run.class_names(), run.config().input_shape
    # OpenCV's last layer takes a single image.
    size = images if engine.module == "torch" else 1
    return Detector(*arguments, batch_size=1), Detector(*arguments, batch_size=size)


def _open_opencv(run: Run, weights: Path) -> Infer:
    import cv2

    from yolo4.weights.darknet.graph import head_levels  # imports Keras

    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        raise UserError("OpenCV 4 reads Darknet's files, 5 does not")
    net = cv2.dnn.readNetFromDarknet(str(weights.with_suffix(".cfg")), str(weights))
    names = net.getUnconnectedOutLayersNames()
    finest_first = np.argsort(head_levels(run.network()))
    sides = np.array(run.config().input_shape[::-1] * 2, np.float32)

    def infer(images: np.ndarray) -> Outputs:
        net.setInput(cv2.dnn.blobFromImages(images, 1 / 255))
        outputs = net.forward(names)
        rows = np.concatenate([outputs[level] for level in finest_first])
        low, high = rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2
        boxes = np.concatenate([low, high], axis=1) * sides
        confidence = rows[:, 4]
        class_scores = rows[:, 5:] / np.maximum(rows[:, 4:5], 1e-9)  # they are multiplied already
        return boxes[None], confidence[None], class_scores[None]

    return infer


def _open_torch(run: Run, weights: Path, compiled: bool = False) -> Infer:
    import torch

    from benchmarks.peers.torch_network import TorchDetector, TorchNetwork

    config, spec = run.config(), run.network()
    network = TorchNetwork(spec, len(run.class_names()), config.width, config.depth)
    network.load_darknet(weights)
    detector = TorchDetector(network, spec, run.anchors(), config.grid_sensitivity)
    detector = detector.eval().to(memory_format=torch.channels_last)
    call = torch.compile(detector, dynamic=False) if compiled else detector

    def infer(images: np.ndarray) -> Outputs:
        with torch.inference_mode():
            pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
            outputs = call(pixels.to(torch.float32, memory_format=torch.channels_last))
        boxes, confidence, scores = (output.numpy() for output in outputs)
        return boxes, confidence, scores

    return infer


def _open_compiled(run: Run, weights: Path) -> Infer:
    return _open_torch(run, weights, compiled=True)


ENGINES = (
    Engine("`predict.py`", "keras", backend="auto"),
    Engine("`predict.py --backend keras`", "keras", backend="keras"),
    Engine("ONNX Runtime", "onnxruntime", backend="onnxruntime"),
    Engine("OpenCV DNN", "cv2", open=_open_opencv),
    Engine("PyTorch", "torch", open=_open_torch),
    Engine("PyTorch, compiled", "torch", open=_open_compiled),
)
