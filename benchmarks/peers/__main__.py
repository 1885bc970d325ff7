"""This project beside PyTorch, OpenCV and ONNX Runtime: training steps, and inference.

python -m benchmarks.peers prints a table per job. Each library runs in a separate process, and
all take turns, with the product of two matrices among them, whose speed is the processor's peak.
Values are medians. `pip install -r requirements-peers.txt` installs the libraries; those that are
missing are named and left out.
"""

import dataclasses
from typing import Literal

from benchmarks.machine import machine, untrained_run
from benchmarks.peers.inference import measure_inference
from benchmarks.peers.training import measure_training
from benchmarks.peers.work import Work
from utils.errors import is_installed
from yolo4.cli import clean_exit, parse
from yolo4.environment.streams import prepare_streams
from yolo4.formats.openvino import fast_precision
from yolo4.options import option
from yolo4.quiet import quiet_start

_TRAININGS = {
    "full": Work(),
    "slim": Work(width=0.25, depth=0.33, input_size=192, batch_size=8),
    "tiny": Work(network="yolov4-tiny", batch_size=8),
}
_PEERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "cv2": "OpenCV"}


@dataclasses.dataclass(frozen=True)
class PeersOptions:
    """What is measured."""

    jobs: tuple[Literal["full", "slim", "tiny", "inference"], ...] = option(
        (*_TRAININGS, "inference"),
        "training steps of three networks, and inference of the full one",
    )
    input_size: int | None = option(None, "pixels a side; None: 192 of slim, 416", low=32)
    images: int = option(8, "images of a folder", low=2)
    steps: int = option(2, "training steps per turn", low=1)
    repeats: int = option(5, "turns of each library", low=1)


def measure(options: PeersOptions) -> None:
    """Print the tables."""
    with quiet_start():
        pass  # the processes inherit its settings
    print(machine())
    for module, name in _PEERS.items():
        if not is_installed(module):
            print(f"{name} is not installed")
    precisions = ("float32", "bfloat16") if fast_precision() == "bfloat16" else ("float32",)
    for job in options.jobs:
        if job == "inference":
            size = options.input_size or 416
            print(f"\n## {job}, {size}x{size}\n")
            with untrained_run(size) as run:
                measure_inference(run, options.images, options.repeats)
            continue
        work = _TRAININGS[job]
        work = dataclasses.replace(work, input_size=options.input_size or work.input_size)
        size = work.input_size
        print(f"\n## {job}, {size}x{size}, batch {work.batch_size}\n")
        measure_training(work, precisions, options.repeats, options.steps)


if __name__ == "__main__":
    prepare_streams()
    with clean_exit():
        measure(parse(PeersOptions(), __doc__))
