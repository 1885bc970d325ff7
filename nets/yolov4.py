"""YOLOv4 as a Keras model."""

import itertools
from collections.abc import Mapping, Sequence

import keras
from keras import KerasTensor
from keras.saving import register_keras_serializable

from nets.blocks import BatchNorm
from nets.compiled import compile_ahead
from nets.cspdarknet53 import cspdarknet53
from nets.losses import TERMS, YOLOv4Loss
from nets.panet import panet, yolo_head

ANCHORS_PER_LEVEL = 3


@register_keras_serializable(package="yolo4")
class YOLOv4(keras.Model):
    """YOLOv4 (Bochkovskiy et al. 2020): CSPDarknet53, SPP, PANet, three heads.

    Takes raw RGB pixels 0..255, `[B, H, W, 3]` with sides that are multiples of 32, and gives the
    logits p3, p4, p5 at strides 8, 16, 32, each `[B, H / s, W / s, 3, 5 + C]`. The convolutions are
    called `conv_1`, `conv_2`, ... in the order of yolov4.cfg.

    Args:
        class_count: number of classes, C.
        width: channels relative to YOLOv4.
        depth: residual blocks relative to YOLOv4.
        input_shape: height and width in pixels; None where any will do.
        confidence_prior: confidence of the untrained network.
        epsilon: added to the variance in batch normalization.
    """

    def __init__(
        self,
        class_count: int,
        width: float = 1.0,
        depth: float = 1.0,
        input_shape: Sequence[int | None] = (None, None),
        confidence_prior: float = 0.01,
        epsilon: float = 1e-5,
        **kwargs: object,
    ) -> None:
        numbers = itertools.count(1)
        names = (f"conv_{number}" for number in numbers)
        images = keras.Input((*input_shape, 3), name="images")
        pixels = keras.layers.Rescaling(1 / 255, name="normalize")(images)
        features = cspdarknet53(pixels, width, depth, names)
        backbone_convolutions = next(numbers) - 1
        names = (f"conv_{n}" for n in itertools.count(backbone_convolutions + 1))
        head = yolo_head(width, ANCHORS_PER_LEVEL, class_count, confidence_prior, names)
        logits = panet(*features, width, names, head)
        super().__init__(inputs=images, outputs=logits, **{"name": "yolov4", **kwargs})
        self.arguments = {
            "class_count": class_count,
            "width": width,
            "depth": depth,
            "input_shape": tuple(input_shape),
            "confidence_prior": confidence_prior,
            "epsilon": epsilon,
        }
        # Set here, as every block would only hand it on.
        for layer in self.layers:
            if isinstance(layer, BatchNorm):
                layer.epsilon = epsilon
        self.backbone_convolutions = backbone_convolutions
        self.criterion: YOLOv4Loss | None = None
        self.term_means = {term: keras.metrics.Mean(name=term) for term in TERMS}

    def convolutions(self) -> list[keras.layers.Conv2D]:
        """The convolutions in the order of yolov4.cfg."""
        found = [layer for layer in self.layers if isinstance(layer, keras.layers.Conv2D)]
        return sorted(found, key=_number)

    def freeze_backbone(self, frozen: bool) -> None:
        """Make the backbone's weights fixed or trainable. Compile again afterwards."""
        for layer in self.layers:
            if layer.weights and _number(layer) <= self.backbone_convolutions:
                layer.trainable = not frozen

    def compile_ahead(self, max_objects: int, batch_size: int) -> None:
        """Begin to compile what the training step needs, and return at once.

        Args:
            max_objects: objects an image in the targets.
            batch_size: images per step.
        """
        norms = [layer for layer in self.layers if isinstance(layer, BatchNorm)]
        gradients = [layer.gradient_call() for layer in norms if layer.activation == "mish"]
        distinct = {(call.arguments[0].shape, call.arguments[0].dtype): call for call in gradients}
        loss = self.criterion.gradient_call(self.outputs, max_objects)
        compile_ahead([loss, *distinct.values()], batch_size)

    def compute_loss(
        self,
        x: KerasTensor | None = None,
        y: Mapping[str, KerasTensor] | None = None,
        y_pred: Sequence[KerasTensor] | None = None,
        sample_weight: KerasTensor | None = None,
        training: bool = True,
    ) -> KerasTensor:
        """The sum of the criterion's terms, whose running means are logged by name.

        Args:
            x: the images; not used.
            y: targets as `nets.losses.YOLOv4Loss` takes them.
            y_pred: logits.
            sample_weight: not supported.
            training: not used.

        Raises:
            ValueError: `criterion` was not set.
        """
        if self.criterion is None:
            raise ValueError("set model.criterion to a YOLOv4Loss before training")
        terms = self.criterion(y, y_pred)
        for name, value in terms.items():
            self.term_means[name].update_state(value)
        return sum(terms.values())

    def get_config(self) -> dict:
        """What the constructor takes."""
        return {**self.arguments, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "YOLOv4":
        """The network with untrained weights."""
        return cls(**config)


def _number(layer: keras.layers.Layer) -> int:
    """The n of a layer called `conv_n` or `conv_n_...`."""
    return int(layer.name.split("_")[1])
