"""What a network gives in place of logits, as layers, so that an exported model holds them too."""

from collections.abc import Mapping, Sequence

from keras import KerasTensor, layers, ops
from keras.saving import register_keras_serializable

from nets.decode import SCALE_X_Y, decode


@register_keras_serializable(package="yolo4")
class Decode(layers.Layer):
    """`nets.decode.decode` as a layer; always in float32.

    Args:
        anchors: `[9, 2]`, width and height in input pixels.
        scale_x_y: grid sensitivity of each level.
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        scale_x_y: Sequence[float] = SCALE_X_Y,
        **kwargs: object,
    ) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.anchors = [[float(side) for side in anchor] for anchor in anchors]
        self.scale_x_y = tuple(map(float, scale_x_y))

    def call(self, logits: Sequence[KerasTensor]) -> dict[str, KerasTensor]:
        """Boxes `[B, N, 4]` (xyxy, pixels), confidence `[B, N]`, class scores `[B, N, C]`."""
        boxes, confidence, class_scores = decode(logits, self.anchors, self.scale_x_y)
        return {"boxes": boxes, "confidence": confidence, "class_scores": class_scores}

    def get_config(self) -> dict:
        """What the constructor takes."""
        return {**super().get_config(), "anchors": self.anchors, "scale_x_y": self.scale_x_y}


@register_keras_serializable(package="yolo4")
class BestClass(layers.Layer):
    """Chooses for every predictor its likeliest class."""

    def call(self, decoded: Mapping[str, KerasTensor]) -> dict[str, KerasTensor]:
        """Boxes `[B, N, 4]`, scores `[B, N]` (confidence times class score), labels `[B, N]`."""
        # Not `ops.argmax`, which on TensorFlow has an operation that no other format knows.
        best, label = ops.top_k(decoded["class_scores"], 1)
        return {
            "boxes": decoded["boxes"],
            "scores": decoded["confidence"] * best[..., 0],
            "labels": ops.cast(label[..., 0], "int32"),
        }
