"""Writes validation images and precision-recall curves for TensorBoard."""

from typing import Any

import keras
import numpy as np

from utils.draw import draw_truth_and_detections
from utils.image import ImageError, read_image
from utils.metrics.score_curve import ScoreCurve
from utils.page.thumbnails import encode_jpeg, fit
from yolo4.train.callbacks import Logs
from yolo4.train.callbacks.validation import Measurement, Validation
from yolo4.train.previews import spread_over_images
from yolo4.train.setup import TrainingSetup

FOLDER = "detections"

_MOST_IMAGES = 6
_SIDE = 416  # pixels of an image
_MOST_CLASSES = 16
_THRESHOLDS = np.linspace(0, 1, 101)


class DetectionEvents(keras.callbacks.Callback):
    """Writes events after each validation: images with boxes, and precision-recall curves.

    Keras's own callback writes the numbers. These events have a separate folder: TensorBoard reads
    one file of a folder at a time.

    Args:
        setup: of the training.
        validation: what was measured.
    """

    def __init__(self, setup: TrainingSetup, validation: Validation) -> None:
        super().__init__()
        self.setup = setup
        self.validation = validation
        self._writer: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the events if this epoch was measured."""
        import tensorflow as tf

        measured = self.validation.latest
        if measured is None:
            return
        folder = self.setup.run.events_folder / FOLDER
        if self._writer is None:
            self._writer = tf.summary.create_file_writer(str(folder))
        with self._writer.as_default(epoch):
            self._write_curves(measured)
            self._write_images(measured)
        self._writer.flush()

    def on_train_end(self, logs: Logs = None) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _write_curves(self, measured: Measurement) -> None:
        """The curves of all classes together, and of those with the most objects."""
        scores, names = measured.voc.main, self.setup.class_names
        labels = [label for label, curve in enumerate(scores.classes) if curve.num_gt]
        labels.sort(key=lambda label: -scores.classes[label].num_gt)
        curves = [(names[label], scores.classes[label]) for label in labels[:_MOST_CLASSES]]
        for name, curve in [("all classes", scores.overall), *curves]:
            _write_curve(f"precision and recall/{name}", curve)

    def _write_images(self, measured: Measurement) -> None:
        """Validation images, the same ones every time: ground truth left, detections right."""
        choice, records = self.setup.run.score_choice(), self.setup.val
        threshold = np.inf if choice is None or choice.threshold is None else choice.threshold
        for index in spread_over_images(records, _MOST_IMAGES):
            record, found = records[index], measured.detections[index]
            try:
                pixels, _ = fit(read_image(record.image), _SIDE)
            except ImageError:
                continue
            names = self.setup.class_names
            drawn = draw_truth_and_detections(pixels, record, found, names, threshold)
            _write_image(f"validation/{record.image.name}", drawn)


def _write_curve(tag: str, curve: ScoreCurve) -> None:
    """Write a precision-recall curve, in the form that TensorBoard's plugin reads."""
    from tensorboard.plugins.pr_curve.metadata import create_summary_metadata

    kept = np.searchsorted(-curve.scores, -_THRESHOLDS, side="right")
    right = np.append(0, curve.true_positives)[kept]
    precision, recall, _ = np.nan_to_num(curve.at(_THRESHOLDS))
    negatives = np.zeros(len(kept))  # detection knows no true negatives
    rows = [right, kept - right, negatives, curve.num_gt - right, precision, recall]
    metadata = create_summary_metadata(tag, "IoU 0.5, validation images", len(_THRESHOLDS))
    _write(tag, np.array(rows, np.float32), metadata)


def _write_image(tag: str, pixels: np.ndarray) -> None:
    """Write an image in the form that TensorBoard's plugin reads, as JPEG, which is small."""
    from tensorboard.plugins.image.metadata import create_summary_metadata

    height, width = (str(size).encode() for size in pixels.shape[:2])
    metadata = create_summary_metadata(tag, "ground truth on the left, detections on the right")
    _write(tag, [width, height, encode_jpeg(pixels)], metadata)


def _write(tag: str, value: Any, metadata: Any) -> None:
    import tensorflow as tf

    tf.summary.write(tag, value, metadata=metadata)
