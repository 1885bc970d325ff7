"""Half precision and int8: rewrites an exported model, and measures what that costs in mAP."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from nets.outputs import Decode
from utils.annotations import load_dataset
from utils.dataset import ValidationSet
from utils.errors import UserError
from utils.records import Record
from yolo4.detector import Detector
from yolo4.engines.runtimes import OPEN, Runtime, library
from yolo4.evaluation import EvaluateOptions, choose_records, detect_records
from yolo4.export.options import ExportOptions
from yolo4.metrics import evaluate
from yolo4.run import Run

# Boxes are in pixels and their sides exponentials: 8 bits are too few for either.
_DECODING = ".*/decode.*"


def lower_precision(model: keras.Model, path: Path, run: Run, options: ExportOptions) -> None:
    """Write a model anew in a lower precision and print the mAP and the size before and after.

    Args:
        model: what was exported.
        path: its file in float32, which is replaced.
        run: whose training images calibrate int8, and whose test images are measured.
        options: format, precision and number of images that calibrate.

    Raises:
        UserError: the run's data set is missing.
    """
    splits = load_dataset(
        run.config().data, run.class_names(), "skip", run.config().split_seed
    ).splits
    split, records = choose_records(splits, None)
    before = _map(OPEN[options.format](path), run, records, options)
    size = _size(path)
    images = _images(splits["train"][: options.calibration_images], run, options)
    _LOWER[options.format, options.precision](model, path, images)
    after = _map(OPEN[options.format](path), run, records, options)
    print(
        f"{options.precision}: {size / 1e6:.1f} MB became {_size(path) / 1e6:.1f} MB; mAP@0.5 on "
        f"the {len(records)} images of {split}: {before:.3f} in float32, {after:.3f} now"
    )
    if before - after > _MOST_LOST:
        raise UserError(
            f"{options.precision} loses {100 * (before - after):.1f} points of mAP, more than "
            f"{100 * _MOST_LOST:g}: not kept"
        )


_MOST_LOST = 0.01


def _openvino_float16(model: keras.Model, path: Path, images: np.ndarray) -> None:
    openvino = library("openvino")
    half = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    openvino.save_model(half, path, compress_to_fp16=True)


def _openvino_int8(model: keras.Model, path: Path, images: np.ndarray) -> None:
    openvino, nncf = library("openvino"), library("nncf")
    exact = openvino.Core().read_model(path.read_bytes(), path.with_suffix(".bin").read_bytes())
    quantised = nncf.quantize(
        exact,
        nncf.Dataset([image[None] for image in images]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(patterns=[_DECODING], validate=False),
    )
    openvino.save_model(quantised, path, compress_to_fp16=False)


def _litert_float16(model: keras.Model, path: Path, images: np.ndarray) -> None:
    import tensorflow as tf

    _litert(model, path, target_spec={"supported_types": [tf.float16]})


def _litert_int8(model: keras.Model, path: Path, images: np.ndarray) -> None:
    def samples() -> Iterator[list[np.ndarray]]:
        yield from ([image[None]] for image in images)

    _litert(model, path, representative_dataset=samples)


def _litert(model: keras.Model, path: Path, **settings: Any) -> None:
    import tensorflow as tf

    optimizations = [tf.lite.Optimize.DEFAULT]
    model.export(str(path), format="litert", verbose=False, optimizations=optimizations, **settings)


_LOWER: dict[tuple[str, str], Callable[[keras.Model, Path, np.ndarray], None]] = {
    ("openvino", "float16"): _openvino_float16,
    ("openvino", "int8"): _openvino_int8,
    ("litert", "float16"): _litert_float16,
    ("litert", "int8"): _litert_int8,
}


def _images(records: list[Record], run: Run, options: ExportOptions) -> np.ndarray:
    images = ValidationSet(records, run.config().input_shape)
    pixels = [images.sample(index)[0].image for index in range(len(images))]
    return np.stack(pixels).astype(options.input_type)


def _map(runtime: Runtime, run: Run, records: list[Record], options: ExportOptions) -> float:
    """mAP@0.5 of an exported model, measured as `get_map.py` does."""
    as_get_map = EvaluateOptions()
    detector = Detector(
        _as_decoded(runtime, run, options),
        run.class_names(),
        run.config().input_shape,
        as_get_map.score_threshold,
        as_get_map.nms_threshold,
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
        found = runtime(images.astype(options.input_type))
        if options.outputs == "logits":
            decoded = decode([found[name] for name in ("p3", "p4", "p5")])
            boxes, confidence, scores = map(keras.ops.convert_to_numpy, decoded.values())
            return boxes, confidence, scores
        return found["boxes"], found["scores"], classes[found["labels"]]

    return infer


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in (path, path.with_suffix(".bin")) if file.is_file())
