"""Quantizes the network of a run to int8 for OpenVINO, and measures what that costs in mAP."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.annotations import load_dataset
from utils.errors import UserError
from utils.files.reading import read_json, reading
from utils.files.writing import write_atomically
from utils.letterbox import Letterbox
from utils.metrics.summary import evaluate
from utils.postprocess import EVALUATION, select_detections
from utils.progress import progress_bar
from utils.records import Detections, Record
from utils.training_data.validation_set import ValidationSet
from yolo4.formats.format import Runtime
from yolo4.formats.libraries import library
from yolo4.formats.openvino import (
    OPENVINO,
    open_openvino,
    processor_and_version,
    quantize_int8,
)
from yolo4.inference.engine_cache import cache_key, cached_model, written_once
from yolo4.run import Run

_CALIBRATION_IMAGES = 100
_MEASURED_IMAGES = 1000  # mAP on so many images is precise enough to see half a point
_MAX_MAP_LOSS = 0.005
_RESULT_FILE = "map.json"
_OUTPUTS = ("boxes", "confidence", "class_scores")


@dataclasses.dataclass(frozen=True)
class Int8Result:
    """VOC mAP at IoU 0.5 on validation images, in float32 and in int8."""

    images: int
    float32: float
    int8: float

    @property
    def is_accepted(self) -> bool:
        """Whether int8 loses at most half a point."""
        # Written so that NaN, which compares as false, is not accepted.
        return self.float32 - self.int8 <= _MAX_MAP_LOSS

    def __str__(self) -> str:
        measured = (
            f"int8: mAP {self.int8:.3f} on {self.images} validation images, "
            f"{self.float32:.3f} in float32"
        )
        if self.is_accepted:
            return measured
        loss = f"more than {100 * _MAX_MAP_LOSS:g} points less"
        return f"{measured}, {loss}: int8 is not used"


def int8_model(run: Run, any_size: bool = False) -> tuple[Path, Int8Result]:
    """The network of a run in int8, and its mAP; it is made if it is missing.

    It is calibrated on training images of the run's data set and measured on its validation
    images, all in the run's input size.

    Args:
        run: a run with weights.
        any_size: whether images may have another size than the run's input.

    Returns:
        The model's file, in `engines/` in the run, and what was measured.

    Raises:
        UserError: NNCF is not installed, the run's data set cannot be read or has no training or
            validation images, or as `cached_model`.
    """
    float32_path = cached_model(run, OPENVINO, any_size)
    key = cache_key(run, any_size) | {
        "calibration_images": _CALIBRATION_IMAGES,
        "place": processor_and_version(),  # processors differ in how they sum 8-bit products
    }

    def write(folder: Path) -> None:
        library("nncf")  # which is missed before the data is read
        path = folder / OPENVINO.file
        splits = _splits(run)
        quantize_int8(float32_path, path, _calibration_images(run, splits["train"]))
        result = _measure(run, splits["val"][:_MEASURED_IMAGES], (float32_path, path))
        write_atomically(folder / _RESULT_FILE, json.dumps(dataclasses.asdict(result)) + "\n")

    float32_folder = float32_path.parent
    folder = written_once(float32_folder.with_name(f"{float32_folder.name}_int8"), key, write)
    result_file = folder / _RESULT_FILE
    stored = read_json(result_file)
    with reading(result_file, "the mAP of an int8 network"):
        return folder / OPENVINO.file, Int8Result(**stored)


def _splits(run: Run) -> dict[str, list[Record]]:
    config = run.config()
    if not config.data:
        raise UserError(f"{run.folder}: the run has no data set, which --precision int8 needs")
    splits = load_dataset(config.data, run.class_names(), "skip", config.split_seed).splits
    for name in ("train", "val"):
        if not splits.get(name):
            raise UserError(f"the data set of {run.folder} has no {name} images for int8")
    return splits


def _calibration_images(run: Run, records: Sequence[Record]) -> np.ndarray:
    config = run.config()
    images = ValidationSet(records, config.input_shape, config.resize)
    numbers = np.linspace(0, len(records) - 1, min(_CALIBRATION_IMAGES, len(records))).astype(int)
    return np.stack([images.sample(number)[0].image for number in numbers])


def _measure(run: Run, records: Sequence[Record], paths: tuple[Path, Path]) -> Int8Result:
    runtimes = [open_openvino(path) for path in paths]
    config = run.config()
    images = ValidationSet(records, config.input_shape, config.resize)
    detections: tuple[list[Detections], list[Detections]] = [], []
    for number in progress_bar(range(len(records)), desc="measuring int8", unit="image"):
        sample, fit = images.sample(number)
        for runtime, found in zip(runtimes, detections, strict=True):
            found.append(_detect(runtime, sample.image, fit))
    maps = [evaluate(found, records, run.class_names()).voc.main.map for found in detections]
    return Int8Result(len(records), *map(float, maps))


def _detect(runtime: Runtime, image: np.ndarray, fit: Letterbox) -> Detections:
    outputs = runtime(image[None])
    boxes, confidence, scores = (outputs[name][0] for name in _OUTPUTS)
    return select_detections(boxes, confidence, scores, fit, EVALUATION)
