"""Non-maximum suppression inside an exported model, by TensorFlow's operator."""

from collections.abc import Mapping

import keras
from keras import KerasTensor

from nets import Tensor


class NonMaxSuppression(keras.layers.Layer):
    """From the output of `nets.outputs.Decode` to the final detections of each image.

    Args:
        score_threshold: lowest score of a detection.
        nms_threshold: IoU above which the worse of two boxes of a class is suppressed.
        max_detections: K, most detections per image.
    """

    def __init__(self, score_threshold: float, nms_threshold: float, max_detections: int) -> None:
        super().__init__(name="nms", dtype="float32")
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_detections = max_detections

    def call(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Boxes `[B, K, 4]`, scores `[B, K]`, labels `[B, K]`, count `[B]`, padded with zeros."""
        import tensorflow as tf

        kept = tf.image.combined_non_max_suppression(
            decoded["boxes"][:, :, None],
            decoded["confidence"][..., None] * decoded["class_scores"],
            max_output_size_per_class=self.max_detections,
            max_total_size=self.max_detections,
            iou_threshold=self.nms_threshold,
            score_threshold=self.score_threshold,
            clip_boxes=False,
        )
        return {
            "boxes": kept.nmsed_boxes,
            "scores": kept.nmsed_scores,
            "labels": tf.cast(kept.nmsed_classes, "int32"),
            "count": kept.valid_detections,
        }

    def compute_output_spec(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Shapes and types of the outputs; only TensorFlow can trace `call`."""
        batch, k = decoded["boxes"].shape[0], self.max_detections
        return {
            "boxes": KerasTensor((batch, k, 4)),
            "scores": KerasTensor((batch, k)),
            "labels": KerasTensor((batch, k), dtype="int32"),
            "count": KerasTensor((batch,), dtype="int32"),
        }
