"""Non-maximum suppression inside an exported model, by TensorFlow's operator."""

from collections.abc import Mapping

import keras
from keras import KerasTensor


class Suppress(keras.layers.Layer):
    """From what `nets.outputs.Decode` gives to the final detections of each image.

    Args:
        score_threshold: lowest score.
        iou_threshold: overlap above which the worse of two boxes of a class goes.
        max_detections: K, most detections of an image.
    """

    def __init__(self, score_threshold: float, iou_threshold: float, max_detections: int) -> None:
        super().__init__(name="suppress", dtype="float32")
        self.score_threshold = score_threshold
        self.iou_threshold = iou_threshold
        self.max_detections = max_detections

    def call(self, decoded: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Boxes `[B, K, 4]`, scores `[B, K]`, labels `[B, K]`, count `[B]`; zeros fill up."""
        import tensorflow as tf

        found = tf.image.combined_non_max_suppression(
            decoded["boxes"][:, :, None],
            decoded["confidence"][..., None] * decoded["class_scores"],
            max_output_size_per_class=self.max_detections,
            max_total_size=self.max_detections,
            iou_threshold=self.iou_threshold,
            score_threshold=self.score_threshold,
            clip_boxes=False,
        )
        return {
            "boxes": found.nmsed_boxes,
            "scores": found.nmsed_scores,
            "labels": tf.cast(found.nmsed_classes, "int32"),
            "count": found.valid_detections,
        }

    def compute_output_spec(self, decoded: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Shapes and types of the outputs; outside TensorFlow `call` cannot be traced."""
        batch, k = decoded["boxes"].shape[0], self.max_detections
        return {
            "boxes": KerasTensor((batch, k, 4)),
            "scores": KerasTensor((batch, k)),
            "labels": KerasTensor((batch, k), dtype="int32"),
            "count": KerasTensor((batch,), dtype="int32"),
        }
