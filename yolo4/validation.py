"""Measures a network in training on the validation images: its loss and its mAP, in one pass."""

from collections.abc import Sequence

import keras
import numpy as np

from nets.decode import decode
from nets.yolov4 import YOLOv4
from utils.dataset import ValidationSet
from utils.image import Letterbox
from utils.records import Detections, Record
from yolo4.detector import Detector
from yolo4.metrics import Metrics, evaluate

_LEAST_SCORE = 0.005  # lower ones cost time and hardly move the mAP


class Validator:
    """Validation images and how they are measured.

    Args:
        records: the validation split.
        class_names: names of the C classes.
        input_size: height and width of the network's input in pixels.
        batch_size: images per step.
    """

    def __init__(
        self,
        records: Sequence[Record],
        class_names: Sequence[str],
        input_size: tuple[int, int],
        batch_size: int,
    ) -> None:
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.batch_size = batch_size
        self._images = ValidationSet(records, input_size)
        self._detector = Detector(None, class_names, input_size, score_threshold=_LEAST_SCORE)

    def measure(self, model: YOLOv4) -> tuple[dict[str, float], Metrics, list[Detections]]:
        """Losses by name (their sum is "loss"), metrics, and what was found in each image."""
        losses, found = [], []
        for step in range(self._images.steps(self.batch_size)):
            images, targets, fits = self._batch(step)
            logits = model.predict_on_batch(images)
            terms = model.criterion(targets, [keras.ops.convert_to_tensor(x) for x in logits])
            losses.append({name: float(value) for name, value in terms.items()})
            found += self._detections(model, logits, fits)
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in losses[0]}
        metrics = evaluate(found, self.records, self.class_names)
        return {"loss": sum(means.values()), **means}, metrics, found

    def _batch(self, step: int) -> tuple[np.ndarray, dict[str, np.ndarray], list[Letterbox]]:
        """A batch that is always full, repeating its images: one shape is compiled, not two."""
        images, targets, fits = self._images.batch(step, self.batch_size)
        rows = np.resize(np.arange(len(images)), self.batch_size)
        return images[rows], {name: value[rows] for name, value in targets.items()}, fits

    def _detections(
        self, model: YOLOv4, logits: Sequence[np.ndarray], fits: Sequence[Letterbox]
    ) -> list[Detections]:
        decoded = decode(logits, model.criterion.anchors)
        arrays = [keras.ops.convert_to_numpy(value) for value in decoded]
        return [
            self._detector.choose(*outputs, fit)
            for *outputs, fit in zip(*arrays, fits, strict=False)
        ]
