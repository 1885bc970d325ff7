"""A network as a Keras model."""

from collections.abc import Sequence
from typing import Any

import keras
from keras.saving import register_keras_serializable

from nets import Tensor
from nets.batch_norm import BatchNorm
from nets.blocks import KerasGraph
from nets.compiled import compile_ahead
from nets.losses import TERMS, YOLOv4Loss
from nets.networks import NETWORKS, YOLOV4, NetworkSpec


@register_keras_serializable(package="yolo4")
class YOLOv4(keras.Model):
    """YOLOv4 (Bochkovskiy et al. 2020), or another network of the same kind.

    Takes raw RGB pixels 0..255, `[B, H, W, 3]` with sides that are multiples of the largest stride,
    and returns the logits of each level, `[B, H / stride, W / stride, A, 5 + C]`, finest level
    first: for YOLOv4 p3, p4 and p5 at strides 8, 16 and 32. The convolutions are named `conv_1`,
    `conv_2`, ... in the order of the network's `.cfg`.

    Args:
        class_count: number of classes, C.
        width: channels relative to the network's `.cfg`.
        depth: residual blocks relative to the network's `.cfg`.
        input_shape: height and width in pixels; None where any size is allowed.
        confidence_prior: confidence of the untrained network.
        epsilon: added to the variance in batch normalization.
        network: the graph, its levels and their anchors.

    Attributes:
        network: as given.
        arguments: all arguments by name.
        backbone_convolutions: number of convolutions in the backbone; they come first.
        criterion: the loss; None until it is set.
    """

    def __init__(
        self,
        class_count: int,
        width: float = 1.0,
        depth: float = 1.0,
        input_shape: Sequence[int | None] = (None, None),
        confidence_prior: float = 0.01,
        epsilon: float = 1e-5,
        network: NetworkSpec = YOLOV4,
        **kwargs: Any,
    ) -> None:
        images = keras.Input((*input_shape, 3), name="images")
        pixels = keras.layers.Rescaling(1 / 255, name="normalize")(images)
        graph = KerasGraph(network.anchors_per_level, class_count, confidence_prior)
        features = network.backbone(graph, pixels, width, depth)
        backbone_convolutions = graph.convolutions
        logits = network.neck(graph, features, width)
        super().__init__(inputs=images, outputs=logits, **{"name": network.name, **kwargs})
        self.network = network
        self.arguments = {
            "class_count": class_count,
            "width": width,
            "depth": depth,
            "input_shape": tuple(input_shape),
            "confidence_prior": confidence_prior,
            "epsilon": epsilon,
            "network": network,
        }
        # Set here, since every block would only pass it on.
        for norm in self.batch_norms():
            norm.epsilon = epsilon
        self.backbone_convolutions = backbone_convolutions
        self.criterion: YOLOv4Loss | None = None
        self.term_means: dict[str, keras.metrics.Mean] = {}

    def convolutions(self) -> list[keras.layers.Conv2D]:
        """The convolutions in the order of the network's `.cfg`."""
        convolutions = [layer for layer in self.layers if isinstance(layer, keras.layers.Conv2D)]
        return sorted(convolutions, key=_number)

    def batch_norms(self) -> list[BatchNorm]:
        """All batch normalizations."""
        return [layer for layer in self.layers if isinstance(layer, BatchNorm)]

    def backbone_layers(self) -> list[keras.layers.Layer]:
        """The layers of the backbone that have weights."""
        last = self.backbone_convolutions
        return [layer for layer in self.layers if layer.weights and _number(layer) <= last]

    def freeze_backbone(self, frozen: bool) -> None:
        """Freeze the backbone, or make it trainable. Compile the model again afterwards."""
        for layer in self.backbone_layers():
            layer.trainable = not frozen

    def freeze_statistics(self) -> None:
        """Keep the statistics of batch normalization in training; see `BatchNorm`."""
        for norm in self.batch_norms():
            norm.frozen_statistics = True

    def synchronize_statistics(self) -> None:
        """Let batch normalization span all devices in training; see `BatchNorm`."""
        for norm in self.batch_norms():
            norm.synchronized = True

    def compile(self, *arguments: Any, **options: Any) -> None:
        """As in Keras. The running means are made here: on several devices, weights are not."""
        if not self.term_means:
            self.term_means = {term: keras.metrics.Mean(name=term) for term in TERMS}
        super().compile(*arguments, **options)

    def required_criterion(self) -> YOLOv4Loss:
        """The criterion.

        Raises:
            ValueError: it is not set.
        """
        if self.criterion is None:
            raise ValueError("set model.criterion to a YOLOv4Loss before training")
        return self.criterion

    def compile_ahead(self, max_objects: int, batch_size: int) -> None:
        """Start compiling, in the background, what the training step needs.

        Args:
            max_objects: objects per image in the targets, M.
            batch_size: images per step.
        """
        norms = [norm for norm in self.batch_norms() if norm.activation == "mish"]
        gradients = [norm.gradient_call() for norm in norms]
        distinct = {(call.arguments[0].shape, call.arguments[0].dtype): call for call in gradients}
        loss = self.required_criterion().gradient_call(self.outputs, max_objects)
        compile_ahead([loss, *distinct.values()], batch_size)

    def compute_loss(
        self,
        x: Tensor = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Tensor = None,
        training: bool = True,
    ) -> Tensor:
        """The sum of the criterion's terms, whose running means are logged under their names.

        Args:
            x: the images; not used.
            y: targets as for `nets.losses.YOLOv4Loss`.
            y_pred: logits of each level.
            sample_weight: not supported.
            training: not used.

        Raises:
            ValueError: `criterion` is not set.
        """
        terms = self.required_criterion()(y, y_pred)
        for name, value in terms.items():
            self.term_means[name].update_state(value)
        return sum(terms.values())

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments, with the network by its name."""
        return {**self.arguments, "network": self.network.name, "name": self.name}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "YOLOv4":
        """The network with untrained weights. Models saved before do not name their network."""
        return cls(**{**config, "network": NETWORKS[config.get("network", YOLOV4.name)]})


def _number(layer: keras.layers.Layer) -> int:
    """The n of a layer named `conv_n` or `conv_n_...`."""
    return int(layer.name.split("_")[1])
