"""Measures loss and mAP of a network in training on the validation images, in one pass."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np

from nets.decode import decode
from nets.losses import TERMS, YOLOv4Loss
from nets.yolov4 import YOLOv4
from utils.letterbox import Letterbox
from utils.metrics.voc_map import VocResult, evaluate_voc
from utils.postprocess import EVALUATION, select_detections
from utils.records import Detections, Record
from utils.resize import Resize
from utils.training_data.validation_set import ValidationSet


class Measurement(NamedTuple):
    """What a validation measures.

    Attributes:
        losses: the loss terms by name, and their sum as "loss".
        voc: average precision.
        detections: in each validation image.
    """

    losses: dict[str, float]
    voc: VocResult
    detections: list[Detections]


class Evaluator:
    """Measures networks on the validation images.

    Args:
        records: the validation split.
        class_names: names of the C classes.
        input_size: height and width of the network's input in pixels.
        batch_size: images per step.
        resize: how images are fitted to the input.
    """

    def __init__(
        self,
        records: Sequence[Record],
        class_names: Sequence[str],
        input_size: tuple[int, int],
        batch_size: int,
        resize: Resize = "letterbox",
    ) -> None:
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.batch_size = batch_size
        self._images = ValidationSet(records, input_size, resize)

    def measure(self, model: YOLOv4) -> Measurement:
        """Measure a network with its current weights.

        Each loss is the mean over the batches, weighted by their number of images.
        """
        criterion = model.required_criterion()
        totals: dict[str, float] = dict.fromkeys(TERMS, 0.0)
        detections: list[Detections] = []
        for step in range(self._images.steps(self.batch_size)):
            images, targets, letterboxes = self._images.batch(step, self.batch_size)
            filled = np.resize(
                images, (self.batch_size, *images.shape[1:])
            )  # compiled for one shape
            logits = [level[: len(images)] for level in model.predict_on_batch(filled)]
            terms = criterion(targets, [keras.ops.convert_to_tensor(x) for x in logits])
            for name, value in terms.items():
                totals[name] += float(value) * len(images)
            detections += self._detections(criterion, logits, letterboxes)
        means = {name: total / len(self.records) for name, total in totals.items()}
        voc = evaluate_voc(detections, self.records, self.class_names)
        return Measurement({"loss": sum(means.values()), **means}, voc, detections)

    def _detections(
        self, criterion: YOLOv4Loss, logits: Sequence[np.ndarray], letterboxes: Sequence[Letterbox]
    ) -> list[Detections]:
        decoded = decode(logits, criterion.anchors, criterion.strides, criterion.scale_x_y)
        arrays = [keras.ops.convert_to_numpy(value) for value in decoded]
        return [
            select_detections(
                boxes, confidence, class_scores, letterbox, EVALUATION
            )  # like get_map.py
            for boxes, confidence, class_scores, letterbox in zip(*arrays, letterboxes, strict=True)
        ]
