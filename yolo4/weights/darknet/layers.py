"""The layers of a network as Darknet stores their weights."""

from dataclasses import dataclass

from keras import KerasTensor, layers, ops

from nets.blocks import BatchNorm
from nets.yolov4 import YOLOv4

EPSILON = 1e-5  # Darknet's, in every batch norm


@dataclass(frozen=True)
class DarknetLayer:
    """A convolution and what Darknet counts to it.

    Attributes:
        convolution: with a bias, or
        norm: its batch norm.
    """

    convolution: layers.Conv2D
    norm: BatchNorm | None

    @property
    def vectors(self) -> list:
        """The variables before the kernel, in the order of a file, each `[filters]`."""
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
        """How many numbers each output channel has in a file."""
        height, width, given, _ = self.convolution.kernel.shape
        return len(self.vectors) + height * width * given

    def arrays(self) -> list[KerasTensor]:
        """The weights as a file has them, NumPy arrays: the vectors, then the kernel `[O,I,H,W]`.

        Where the batch norm adds another epsilon than Darknet, its gamma makes up for it.
        """
        found = [ops.convert_to_numpy(variable) for variable in self.vectors]
        if self.norm is not None and self.norm.epsilon != EPSILON:
            beta, gamma, mean, variance = found
            gamma = gamma * ((variance + EPSILON) / (variance + self.norm.epsilon)) ** 0.5
            found = [beta, gamma, mean, variance]
        return [*found, ops.convert_to_numpy(self.convolution.kernel).transpose(3, 2, 0, 1)]

    def could_be(self, numbers: KerasTensor) -> bool:
        """Whether a part of a file may be this layer: none of its variances is negative.

        Args:
            numbers: flat NumPy array of `filters * size_of_filter`.
        """
        if self.norm is None:
            return True
        variances = numbers[3 * self.filters : 4 * self.filters]
        return bool((variances >= 0).all())  # NaN is not either

    def assign(self, numbers: KerasTensor) -> None:
        """Take the weights from a part of a file, as `could_be` has it."""
        height, width, given, filters = self.convolution.kernel.shape
        for place, variable in enumerate(self.vectors):
            variable.assign(numbers[place * filters : (place + 1) * filters])
        kernel = numbers[len(self.vectors) * filters :].reshape(filters, given, height, width)
        self.convolution.kernel.assign(kernel.transpose(2, 3, 1, 0))


def darknet_layers(model: YOLOv4) -> list[DarknetLayer]:
    """The layers of a network that have weights, in the order of a `.weights` file."""
    found = []
    for convolution in model.convolutions():
        norm = None if convolution.use_bias else model.get_layer(f"{convolution.name}_norm")
        found.append(DarknetLayer(convolution, norm))
    return found
