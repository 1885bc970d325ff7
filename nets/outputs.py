"""Layers that turn logits into other outputs, so that an exported model can contain them."""

from collections.abc import Mapping, Sequence
from typing import Any

from keras import layers, ops
from keras.saving import register_keras_serializable

from nets import Tensor
from nets.decode import decode
from nets.networks import YOLOV4


@register_keras_serializable(package="yolo4")
class Decode(layers.Layer):
    """`nets.decode.decode` as a layer; always in float32.

    Args:
        anchors: `[L * A, 2]`, width and height in input pixels.
        strides: input pixels per cell of each of the L levels.
        scale_x_y: grid sensitivity of each level.
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        strides: Sequence[int],
        scale_x_y: Sequence[float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.anchors = [[float(side) for side in anchor] for anchor in anchors]
        self.strides = tuple(map(int, strides))
        self.scale_x_y = tuple(map(float, scale_x_y))

    def call(self, logits: Sequence[Tensor]) -> dict[str, Tensor]:
        """Boxes `[B, N, 4]` (xyxy, pixels), confidence `[B, N]`, class scores `[B, N, C]`."""
        boxes, confidence, class_scores = decode(logits, self.anchors, self.strides, self.scale_x_y)
        return {"boxes": boxes, "confidence": confidence, "class_scores": class_scores}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        levels = {"strides": self.strides, "scale_x_y": self.scale_x_y}
        return {**super().get_config(), "anchors": self.anchors, **levels}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Decode":
        """The layer. Models saved before do not name their strides."""
        return cls(**{"strides": YOLOV4.strides, **config})


@register_keras_serializable(package="yolo4")
class BestClass(layers.Layer):
    """Chooses the most likely class of every predictor."""

    def call(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Boxes `[B, N, 4]`, scores `[B, N]` (confidence times class score), labels `[B, N]`."""
        # Not `ops.argmax`: under TensorFlow it uses an operation that no other format has.
        best, label = ops.top_k(decoded["class_scores"], 1)
        return {
            "boxes": decoded["boxes"],
            "scores": decoded["confidence"] * best[..., 0],
            "labels": ops.cast(label[..., 0], "int32"),
        }
