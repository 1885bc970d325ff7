"""Lowers the precision of an exported model, and measures what that gains and costs."""

import dataclasses
import shutil
import statistics
import time
from pathlib import Path

import keras
import numpy as np

from utils.errors import UserError
from utils.files.writing import temporary_folder
from utils.metrics.summary import evaluate
from utils.postprocess import EVALUATION
from utils.records import Record
from utils.training_data.validation_set import ValidationSet
from yolo4.export.options import ExportOptions
from yolo4.formats import MODEL_FORMATS
from yolo4.formats.format import ModelFormat, Runtime
from yolo4.inference.agreement import Infer, Outputs
from yolo4.inference.detector import Detector
from yolo4.inference.keras_network import decode_layer, to_arrays
from yolo4.inference.records import choose_records, detect_records
from yolo4.run import Run

_MAX_MAP_LOSS = 0.01
_MAX_RATIO = 0.95  # a smaller gain in size or speed does not count
_REPEATS = 11


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Size, speed and mAP of an exported model.

    Attributes:
        megabytes: size of its files.
        milliseconds: time per image, in the fastest way that the machine can run the model.
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
    """Replace a model by one in a lower precision, measure both and print what was gained.

    Args:
        model: the exported model.
        path: its file in float32, which is replaced.
        run: the run of its network.
        options: format, precision and number of calibration images.
        splits: int8 is calibrated on the training images and measured on the test images; without
            training images, the test images also calibrate it.

    Raises:
        UserError: the lower precision is not worth keeping.
    """
    export_format = MODEL_FORMATS[options.format]
    split, records = choose_records(splits, None)
    calibration = (splits.get("train") or records)[: options.calibration_images]
    images = _read_images(calibration, run, options)
    with temporary_folder(path.parent) as folder:
        float32_path = _move(export_format, path, folder)
        export_format.quantize[options.precision](model, float32_path, path, images)
        opened = ((export_format.open, float32_path), (export_format.open_fastest, path))
        maps = [_mean_ap(open_model(file), run, records, options) for open_model, file in opened]
        batch = np.resize(images, (options.batch_size or 1, *images.shape[1:]))
        paths = (float32_path, path)
        times = _milliseconds([export_format.open_fastest(file) for file in paths], batch)
        sizes = [_megabytes(export_format, file) for file in paths]
    before, after = map(Measurement, sizes, times, maps)
    print(
        f"{verdict(options.precision, before, after, export_format.fast_precision())}; mAP@0.5 on "
        f"the {len(records)} images of {split}: {before.map:.3f} in float32, {after.map:.3f} now"
    )


def verdict(precision: str, before: Measurement, after: Measurement, precision_before: str) -> str:
    """What a lower precision gains, in words.

    Args:
        precision: the lower one.
        before: the model in float32, but timed in `precision_before`.
        after: the model in the lower precision.
        precision_before: the fastest precision in which this machine runs the float32 model.

    Raises:
        UserError: it loses too much mAP, or gains neither size nor speed.
    """
    sizes = f"{before.megabytes:.1f} MB became {after.megabytes:.1f} MB"
    times = (
        f"{after.milliseconds:.1f} ms an image against {before.milliseconds:.1f} in "
        f"{precision_before}"
    )
    # Written so that NaN, which compares as false, is refused too.
    if not before.map - after.map <= _MAX_MAP_LOSS:
        raise UserError(
            f"{precision} loses {100 * (before.map - after.map):.1f} points of mAP, more than "
            f"{100 * _MAX_MAP_LOSS:g}: not kept ({sizes}, {times})"
        )
    ratios = {
        "size": after.megabytes / before.megabytes,
        "speed": after.milliseconds / before.milliseconds,
    }
    gains = [name for name, ratio in ratios.items() if ratio <= _MAX_RATIO]
    if not gains:
        raise UserError(f"{precision} gains neither size nor speed: not kept ({sizes}, {times})")
    return f"{precision} gains {' and '.join(gains)}: {sizes}, {times}"


def _move(export_format: ModelFormat, path: Path, folder: Path) -> Path:
    for name in export_format.files:
        shutil.move(path.with_name(name), folder)
    return folder / path.name


def _megabytes(export_format: ModelFormat, path: Path) -> float:
    return sum(path.with_name(name).stat().st_size for name in export_format.files) / 1e6


def _read_images(records: list[Record], run: Run, options: ExportOptions) -> np.ndarray:
    config = run.config()
    images = ValidationSet(records, config.input_shape, config.resize)
    pixels = [images.sample(index)[0].image for index in range(len(images))]
    return np.stack(pixels).astype(options.input_type)


def _milliseconds(runtimes: list[Runtime], batch: np.ndarray) -> list[float]:
    """Median time per image of each; they take turns, so that other load slows all of them."""
    times: list[list[float]] = [[] for _ in runtimes]
    for repeat in range(_REPEATS + 1):
        for runtime, runtime_times in zip(runtimes, times, strict=True):
            start = time.perf_counter()
            runtime(batch)
            if repeat:  # the first warms up
                runtime_times.append(1000 * (time.perf_counter() - start) / len(batch))
    return [statistics.median(runtime_times) for runtime_times in times]


def _mean_ap(runtime: Runtime, run: Run, records: list[Record], options: ExportOptions) -> float:
    """mAP@0.5 of an exported model, measured as `get_map.py` does."""
    config = run.config()
    detector = Detector(
        _as_infer(runtime, run, options),
        run.class_names(),
        config.input_shape,
        EVALUATION,
        batch_size=options.batch_size or 1,
        resize=config.resize,
    )
    detections = detect_records(detector.detect_batch, records, detector.batch_size)
    return float(evaluate(detections, records, run.class_names()).voc.main.map)


def _as_infer(runtime: Runtime, run: Run, options: ExportOptions) -> Infer:
    """The outputs of an exported model as the boxes, confidence and class scores of `Detector`."""
    decode = decode_layer(run)
    classes = np.eye(len(run.class_names()), dtype=np.float32)

    def infer(images: np.ndarray) -> Outputs:
        # A model of a fixed batch size takes no other; the added images at the end are not read.
        batch = np.resize(images, (options.batch_size or len(images), *images.shape[1:]))
        outputs = runtime(batch.astype(options.input_type))
        if options.outputs == "logits":
            decoded = to_arrays(decode([outputs[name] for name in run.network().logit_names]))
            return decoded["boxes"], decoded["confidence"], decoded["class_scores"]
        return outputs["boxes"], outputs["scores"], classes[outputs["labels"]]

    return infer
