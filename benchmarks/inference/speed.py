"""How long YOLOv4 takes from a decoded image to its final boxes, engine by engine.

python -m benchmarks.inference.speed prints a table: engine and precision, input size, images (a
single one, or a folder of them, several at once), milliseconds per image with their spread, and the
ratio to the same network in TensorFlow's float32 with one image. All engines take turns within one
run.
"""

import dataclasses
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.machine import machine, untrained_run
from utils.letterbox import fit_image
from utils.postprocess import select_detections
from yolo4.cli import clean_exit, parse
from yolo4.formats.format import Runtime
from yolo4.formats.litert import LITERT
from yolo4.formats.onnx import ONNX
from yolo4.formats.openvino import OPENVINO, fast_precision, open_openvino, quantize_int8
from yolo4.inference.detector import Detector
from yolo4.inference.engine import as_infer
from yolo4.inference.engine_cache import cached_model
from yolo4.inference.pipeline import overlapped
from yolo4.options import option
from yolo4.quiet import quiet_start
from yolo4.run import Run, open_run

BASELINE = "TensorFlow float32"


@dataclasses.dataclass(frozen=True)
class InferenceOptions:
    """What to measure."""

    run: str | None = option(None, "a run to measure; None: an untrained network")
    engines: tuple[str, ...] = option(
        (), "prefixes of the names of engines to measure beside TensorFlow; none: all"
    )
    input_size: tuple[int, ...] = option(
        (416, 608), "pixels a side, of an untrained network", low=32
    )
    width: float = option(1.0, "channels of an untrained network, relative to YOLOv4")
    depth: float = option(1.0, "residual blocks of an untrained network, relative to YOLOv4")
    images: int = option(8, "images of a folder", low=1)
    repeats: int = option(5, "turns of each engine", low=1)


@dataclasses.dataclass(frozen=True)
class EngineDetectors:
    """An engine in one precision: its name, its detector for one image and that for a folder."""

    name: str
    single: Detector
    folder: Detector


def measure(options: InferenceOptions) -> None:
    """Print the table."""
    print(machine())
    print(
        "\n| engine | input | images | ms per image | spread | ratio |\n|---|---|---|---|---|---|"
    )
    if options.run:
        _measure_run(open_run(options.run), options)
        return
    for size in options.input_size:
        with untrained_run(size, options.width, options.depth) as run:
            _measure_run(run, options)


def _measure_run(run: Run, options: InferenceOptions) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _print_rows(run, list(_engines(run, options, Path(folder))), options)


def _print_rows(run: Run, engines: list[EngineDetectors], options: InferenceOptions) -> None:
    size = run.config().input_shape
    rng = np.random.default_rng(0)
    photos = list(rng.integers(0, 256, (options.images, 480, 640, 3), np.uint8))
    modes = {"1": _single, f"{options.images}": _folder}
    times: dict[tuple[str, str], list[float]] = {}
    for turn in range(options.repeats + 1):
        for mode, time_of in modes.items():
            for engine in engines:
                seconds = time_of(engine, photos)
                if turn:  # the first warms up
                    times.setdefault((mode, engine.name), []).append(1000 * seconds)
    baseline = times["1", BASELINE]
    for (mode, name), values in times.items():
        ratio = statistics.median(v / b for v, b in zip(values, baseline, strict=True))
        print(
            f"| {name} | {size[1]}x{size[0]} | {mode} | {statistics.median(values):.0f} "
            f"| {min(values):.0f} to {max(values):.0f} | {ratio:.2f} |"
        )
    print(
        f"\nbefore and after the network: {_outside_network(engines[0].single, photos[0]):.1f} ms\n"
    )


def _single(engine: EngineDetectors, photos: list[np.ndarray]) -> float:
    start = time.perf_counter()
    engine.single.detect(photos[0])
    return time.perf_counter() - start


def _folder(engine: EngineDetectors, photos: list[np.ndarray]) -> float:
    detector = engine.folder
    size = detector.batch_size
    batches = [photos[i : i + size] for i in range(0, len(photos), size)]
    start = time.perf_counter()
    for _ in overlapped(detector.detect_batch, batches, detector.parallel, detector.parallel):
        pass
    return (time.perf_counter() - start) / len(photos)


def _outside_network(detector: Detector, photo: np.ndarray) -> float:
    """Milliseconds to fit an image to the input and to select among 200 likely boxes."""
    pixels, fit = fit_image(photo, detector.input_size)
    boxes, confidence, class_scores = (output[0] for output in detector.infer(pixels[None]))
    rng = np.random.default_rng(0)
    likely = rng.choice(len(boxes), 200, replace=False)
    corners = rng.uniform(0, 300, (200, 2))
    boxes[likely] = np.concatenate([corners, corners + rng.uniform(20, 100, (200, 2))], axis=1)
    confidence[likely] = 0.9
    class_scores[likely] = 0
    class_scores[likely, rng.integers(class_scores.shape[1], size=200)] = 0.9
    times = []
    for _ in range(20):
        start = time.perf_counter()
        fit_image(photo, detector.input_size)
        select_detections(boxes, confidence, class_scores, fit, detector.settings)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def _engines(run: Run, options: InferenceOptions, folder: Path) -> Iterator[EngineDetectors]:
    cores = os.cpu_count() or 1
    yield _detectors(run, BASELINE, _tensorflow(run), batch_size=options.images)
    for name, make in {
        "OpenVINO float32": lambda n: open_openvino(cached_model(run, OPENVINO), "float32", n),
        "OpenVINO bfloat16": lambda n: open_openvino(cached_model(run, OPENVINO), "bfloat16", n),
        "OpenVINO int8": lambda n: open_openvino(_int8(run, folder), fast_precision(), n),
        "ONNX Runtime float32": lambda _: ONNX.open(cached_model(run, ONNX)),
        "LiteRT float32": lambda _: LITERT.open(cached_model(run, LITERT)),
    }.items():
        if name.startswith(options.engines or ""):
            parallel = cores if name.startswith("OpenVINO") else 1
            yield _detectors(run, name, make(1), make(parallel), parallel)


def _detectors(
    run: Run,
    name: str,
    single: Runtime,
    folder: Runtime | None = None,
    parallel: int = 1,
    batch_size: int = 1,
) -> EngineDetectors:
    def detector(runtime: Runtime, **settings: int) -> Detector:
        infer = as_infer(runtime)
        return Detector(infer, run.class_names(), run.config().input_shape, **settings)

    several = detector(folder or single, parallel=parallel, batch_size=batch_size)
    return EngineDetectors(name, detector(single, batch_size=1), several)


def _int8(run: Run, folder: Path) -> Path:
    """The network in int8, calibrated with noise, which does not change its speed."""
    path = folder / "model.xml"
    if not path.exists():
        noise = np.random.default_rng(0).integers(
            0, 256, (4, *run.config().input_shape, 3), np.uint8
        )
        quantize_int8(cached_model(run, OPENVINO), path, noise)
    return path


def _tensorflow(run: Run) -> Runtime:
    """The network and the decoding of its logits as one `tf.function`, without XLA."""
    with quiet_start():
        import tensorflow as tf

        from yolo4.inference.keras_network import engine_network

    model = engine_network(run)
    function: Callable = tf.function(lambda images: model(images, training=False))
    return lambda images: {name: v.numpy() for name, v in function(tf.constant(images)).items()}


if __name__ == "__main__":
    with clean_exit():
        measure(parse(InferenceOptions(), __doc__))
