"""Lowers the precision of an exported model, and measures what that wins and what it costs."""

import dataclasses
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from nets.outputs import Decode
from utils.errors import UserError
from utils.metrics.summary import evaluate
from utils.postprocess import EVALUATION
from utils.records import Record
from utils.training_data.dataset import ValidationSet
from yolo4.export.options import ExportOptions
from yolo4.formats.quantize import write_lower
from yolo4.formats.runtimes import OPEN, Runtime, fast_precision, open_fast
from yolo4.inference.detector import Detector
from yolo4.inference.records import choose_records, detect_records
from yolo4.run import Run

_MOST_LOST = 0.01
_WORTH = 0.95  # a smaller gain in size or speed is none
_TURNS = 11


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a model costs, and finds.

    Attributes:
        megabytes: of its files.
        milliseconds: an image, as the machine is fastest with it.
        map: mAP at IoU 0.5.
    """

    megabytes: float
    milliseconds: float
    map: float


def lower_precision(
    model: keras.Model,
    path: Path,
    run: Run,
    options: ExportOptions,
    splits: dict[str, list[Record]],
) -> None:
    """Write a model anew in a lower precision, measure both and print what was won.

    Args:
        model: what was exported.
        path: its file in float32, which is replaced.
        run: whose network it is.
        options: format, precision and number of images that calibrate.
        splits: the images for training calibrate int8, those for testing are measured (and
            calibrate it too where there are none for training).

    Raises:
        UserError: the lower precision is not worth keeping.
    """
    form = options.format
    split, records = choose_records(splits, None)
    images = _images((splits.get("train") or records)[: options.calibration_images], run, options)
    with tempfile.TemporaryDirectory() as passing:
        exact = _move(path, Path(passing))
        write_lower(model, form, options.precision, exact, path, images)
        maps = [
            _map(open_model(form, file), run, records, options)
            for open_model, file in ((_open_exact, exact), (open_fast, path))
        ]
        batch = np.resize(images, (options.batch_size or 1, *images.shape[1:]))
        times = _milliseconds([open_fast(form, exact), open_fast(form, path)], batch)
        sizes = _size(exact), _size(path)
    before, after = map(Cost, sizes, times, maps)
    print(
        f"{verdict(options.precision, before, after, fast_precision(form))}; mAP@0.5 on the "
        f"{len(records)} images of {split}: {before.map:.3f} in float32, {after.map:.3f} now"
    )


def verdict(precision: str, before: Cost, after: Cost, otherwise: str) -> str:
    """What a lower precision wins, in words.

    Args:
        precision: the lower one.
        before: the model in float32, but timed in `otherwise`.
        after: the model in the lower precision.
        otherwise: the precision that the machine computes the model in if it is not lowered.

    Raises:
        UserError: it loses too much mAP, or wins neither size nor speed.
    """
    sizes = f"{before.megabytes:.1f} MB became {after.megabytes:.1f} MB"
    times = f"{after.milliseconds:.1f} ms an image against {before.milliseconds:.1f} in {otherwise}"
    # Written so that NaN, which compares as false, is refused too.
    if not before.map - after.map <= _MOST_LOST:
        raise UserError(
            f"{precision} loses {100 * (before.map - after.map):.1f} points of mAP, more than "
            f"{100 * _MOST_LOST:g}: not kept ({sizes}, {times})"
        )
    gains = {
        "size": after.megabytes / before.megabytes,
        "speed": after.milliseconds / before.milliseconds,
    }
    won = [name for name, ratio in gains.items() if ratio <= _WORTH]
    if not won:
        raise UserError(f"{precision} wins neither size nor speed: not kept ({sizes}, {times})")
    return f"{precision} wins {' and '.join(won)}: {sizes}, {times}"


def _move(path: Path, folder: Path) -> Path:
    for file in _files(path):
        shutil.move(file, folder)
    return folder / path.name


def _files(path: Path) -> list[Path]:
    return [file for file in (path, path.with_suffix(".bin")) if file.is_file()]


def _size(path: Path) -> float:
    return sum(file.stat().st_size for file in _files(path)) / 1e6


def _open_exact(form: str, path: Path) -> Runtime:
    return OPEN[form](path)


def _images(records: list[Record], run: Run, options: ExportOptions) -> np.ndarray:
    images = ValidationSet(records, run.config().input_shape)
    pixels = [images.sample(index)[0].image for index in range(len(images))]
    return np.stack(pixels).astype(options.input_type)


def _milliseconds(runtimes: list[Runtime], batch: np.ndarray) -> list[float]:
    """Median time per image of each; they take turns, so that a busy machine is so for all."""
    times: list[list[float]] = [[] for _ in runtimes]
    for turn in range(_TURNS + 1):
        for runtime, own in zip(runtimes, times, strict=True):
            start = time.perf_counter()
            runtime(batch)
            if turn:  # the first warms up
                own.append(1000 * (time.perf_counter() - start) / len(batch))
    return [statistics.median(own) for own in times]


def _map(runtime: Runtime, run: Run, records: list[Record], options: ExportOptions) -> float:
    """mAP@0.5 of an exported model, measured as `get_map.py` does."""
    detector = Detector(
        _as_decoded(runtime, run, options),
        run.class_names(),
        run.config().input_shape,
        EVALUATION,
        batch_size=options.batch_size or 1,
    )
    found = detect_records(detector.detect_batch, records, detector.batch_size)
    return float(evaluate(found, records, run.class_names()).voc.main.map)


def _as_decoded(
    runtime: Runtime, run: Run, options: ExportOptions
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Whatever a model gives as the boxes, confidence and class scores that `Detector` takes."""
    decode = Decode(run.anchors().tolist(), run.config().scale_x_y)
    classes = np.eye(len(run.class_names()), dtype=np.float32)

    def infer(images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        # A model of a fixed batch takes no other: what is too much stands behind and is not read.
        full = np.resize(images, (options.batch_size or len(images), *images.shape[1:]))
        found = runtime(full.astype(options.input_type))
        if options.outputs == "logits":
            decoded = decode([found[name] for name in ("p3", "p4", "p5")])
            boxes, confidence, scores = map(keras.ops.convert_to_numpy, decoded.values())
            return boxes, confidence, scores
        return found["boxes"], found["scores"], classes[found["labels"]]

    return infer
