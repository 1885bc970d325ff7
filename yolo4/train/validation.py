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
from yolo4.train.devices.devices import ONE_DEVICE, Devices


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
        batch_size: images per step, on all devices.
        resize: how images are fitted to the input.
        devices: the workers among them share the images.
    """

    def __init__(
        self,
        records: Sequence[Record],
        class_names: Sequence[str],
        input_size: tuple[int, int],
        batch_size: int,
        resize: Resize = "letterbox",
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.records = list(records)
        self.class_names = tuple(class_names)
        self.batch_size = batch_size // devices.cluster.workers
        self._devices = devices
        self._images = ValidationSet(records, input_size, resize)

    def measure(self, model: YOLOv4) -> Measurement:
        """Measure a network with its current weights. All workers call this together.

        Each loss is the mean over the batches, weighted by their number of images.
        """
        criterion = model.required_criterion()
        totals: dict[str, float] = dict.fromkeys(TERMS, 0.0)
        detections: list[Detections] = []
        cluster, steps = self._devices.cluster, self._images.steps(self.batch_size)
        for step in range(cluster.worker, steps, cluster.workers):
            images, targets, letterboxes = self._images.batch(step, self.batch_size)
            filled = np.resize(
                images, (self.batch_size, *images.shape[1:])
            )  # compiled for one shape
            logits = [level[: len(images)] for level in model.predict_on_batch(filled)]
            terms = criterion(targets, [keras.ops.convert_to_tensor(x) for x in logits])
            for name, value in terms.items():
                totals[name] += float(value) * len(images)
            detections += self._detections(criterion, logits, letterboxes)
        if cluster.workers > 1:
            totals, detections = self._of_all_workers(totals, detections)
        means = {name: total / len(self.records) for name, total in totals.items()}
        voc = evaluate_voc(detections, self.records, self.class_names)
        return Measurement({"loss": sum(means.values()), **means}, voc, detections)

    def _of_all_workers(
        self, totals: dict[str, float], detections: Sequence[Detections]
    ) -> tuple[dict[str, float], list[Detections]]:
        """The sums and the detections of all workers, in the order of the images."""
        gather, workers = self._devices.gather, self._devices.cluster.workers
        sums = gather(np.array([*totals.values()])).reshape(workers, -1).sum(axis=0)
        counts = gather(np.array([len(found.scores) for found in detections], np.int64))
        # Few images may leave a worker without any.
        empty = np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
        columns = [
            gather(np.concatenate([nothing, *(getattr(found, name) for found in detections)]))
            for nothing, name in zip(empty, ("boxes", "scores", "labels"), strict=True)
        ]
        parts = [np.split(column, np.cumsum(counts)[:-1]) for column in columns]
        merged = [Detections(*values) for values in zip(*parts, strict=True)]
        images = np.arange(len(self.records))
        turn = images // self.batch_size % workers
        order = np.argsort(turn, kind="stable")  # each worker's images, one worker after the other
        return (
            dict(zip(totals, sums.tolist(), strict=True)),
            [merged[place] for place in np.argsort(order)],
        )

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
