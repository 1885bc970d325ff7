"""The layers of a network in the form in which Darknet stores their weights."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras import Variable, layers

    from nets.batch_norm import BatchNorm
    from nets.yolov4 import YOLOv4

# Added to every variance by the Darknet that YOLOv4 was trained with. Other programs that read its
# files add less, which changes a score by 1e-4 at most: docs/weights.md, "Batch norm's epsilon".
EPSILON = 1e-5


@dataclass(frozen=True)
class DarknetLayer:
    """A convolution with its batch norm, which is one layer to Darknet.

    Attributes:
        convolution: the convolution; it has a bias if and only if there is no batch norm.
        norm: its batch norm; None in a head.
        anchors: number of anchors of a level.
    """

    convolution: "layers.Conv2D"
    norm: "BatchNorm | None"
    anchors: int

    @property
    def vectors(self) -> "list[Variable]":
        """The variables that precede the kernel in a file, each `[filters]`."""
        if self.norm is None:
            return [self.convolution.bias]
        norm = self.norm
        return [norm.beta, norm.gamma, norm.moving_mean, norm.moving_variance]

    @property
    def name(self) -> str:
        """The convolution's name."""
        return self.convolution.name

    @property
    def filters(self) -> int:
        """The number of output channels."""
        return self.convolution.filters

    @property
    def size_of_filter(self) -> int:
        """Number of values of each output channel in a file."""
        height, width, inputs, _ = self.convolution.kernel.shape
        return len(self.vectors) + height * width * inputs

    def filters_for(self, class_count: int) -> int:
        """The number of output channels if the network had this many classes."""
        return self.filters if self.norm else self.anchors * (5 + class_count)

    def arrays(self) -> list[np.ndarray]:
        """The weights in the order of a file: the vectors, then the kernel `[O, I, H, W]`.

        If the batch norm adds another epsilon than Darknet does, gamma is scaled to compensate.
        """
        from keras import ops

        vectors = [ops.convert_to_numpy(variable) for variable in self.vectors]
        if self.norm is not None and self.norm.epsilon != EPSILON:
            beta, gamma, mean, variance = vectors
            gamma = gamma * ((variance + EPSILON) / (variance + self.norm.epsilon)) ** 0.5
            vectors = [beta, gamma, mean, variance]
        return [*vectors, ops.convert_to_numpy(self.convolution.kernel).transpose(3, 2, 0, 1)]

    def could_be(self, values: np.ndarray) -> bool:
        """Whether part of a file may be this layer: none of its variances is negative.

        NaN may be the damage of a file for this network.

        Args:
            values: flat array of `filters * size_of_filter` values.
        """
        if self.norm is None:
            return True
        variances = values[3 * self.filters : 4 * self.filters]
        return not (variances < 0).any()

    def split(self, values: np.ndarray) -> "list[tuple[Variable, np.ndarray]]":
        """Each variable with its weights in part of a file, given as to `could_be`."""
        height, width, inputs, filters = self.convolution.kernel.shape
        *vectors, kernel = np.split(values, filters * np.arange(1, len(self.vectors) + 1))
        kernel = kernel.reshape(filters, inputs, height, width).transpose(2, 3, 1, 0)
        return list(zip([*self.vectors, self.convolution.kernel], [*vectors, kernel], strict=True))


def darknet_layers(model: "YOLOv4") -> list[DarknetLayer]:
    """The layers of a network that have weights, in the order of a `.weights` file."""
    anchors = model.network.anchors_per_level
    layers_in_order = []
    for convolution in model.convolutions():
        norm = None if convolution.use_bias else model.get_layer(f"{convolution.name}_norm")
        layers_in_order.append(DarknetLayer(convolution, norm, anchors))
    return layers_in_order
