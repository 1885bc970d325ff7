"""The Keras layers of a network, and the builder that makes them from its description."""

import math
from typing import Any

from keras import initializers, layers, ops
from keras.saving import register_keras_serializable

from nets import Tensor
from nets.batch_norm import BatchNorm


def conv_bn_act(
    x: Tensor, filters: int, kernel: int, activation: str, name: str, stride: int = 1
) -> Tensor:
    """Convolution without bias, batch norm, activation.

    Args:
        x: features `[B, H, W, C]`.
        filters: number of output channels.
        kernel: side of the kernel, 1 or 3.
        activation: "mish" or "leaky".
        name: name of the convolution; the other layers' names begin with it.
        stride: 1, or 2 to halve height and width.

    Returns:
        Features `[B, H / stride, W / stride, filters]`.
    """
    if stride == 2:
        # Darknet pads one pixel on every side; with an even input only the top and left are read.
        x = layers.ZeroPadding2D(((1, 0), (1, 0)), name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="valid" if stride == 2 else "same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    norm: dict[str, Any] = {"momentum": 0.97, "epsilon": 1e-5, "name": f"{name}_norm"}
    if activation == "mish":
        return BatchNorm("mish", **norm)(x)
    x = BatchNorm(**norm)(x)
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}_leaky")(x)


def spp(x: Tensor) -> Tensor:
    """Spatial pyramid pooling: maxima over 13x13, 9x9 and 5x5 pixels concatenated with `x`.

    Two 5x5 maxima in a row are one over 9x9, three are one over 13x13, so each pool reads the
    previous one.

    Args:
        x: features `[B, H, W, C]`.

    Returns:
        Features `[B, H, W, 4 C]`.
    """
    pool5 = layers.MaxPooling2D(5, strides=1, padding="same")(x)
    pool9 = layers.MaxPooling2D(5, strides=1, padding="same")(pool5)
    pool13 = layers.MaxPooling2D(5, strides=1, padding="same")(pool9)
    return layers.Concatenate()([pool13, pool9, pool5, x])


def logits_of(
    x: Tensor, anchors: int, class_count: int, confidence_prior: float, name: str
) -> Tensor:
    """The last convolution of a level.

    It starts near zero, and its confidence bias at `-log((1 - prior) / prior)` (Lin et al. 2017,
    Focal Loss, section 3.3), so that the confidence of an untrained network is `prior` everywhere.
    It computes in float32 under every precision policy.

    Args:
        x: features `[B, H, W, F]`.
        anchors: anchors of the level, A.
        class_count: number of classes, C.
        confidence_prior: confidence of the untrained network.
        name: name of the convolution.

    Returns:
        Logits `[B, H, W, A, 5 + C]` in the order tx, ty, tw, th, confidence, classes.
    """
    bias = [0.0] * 4 + [-math.log((1 - confidence_prior) / confidence_prior)] + [0.0] * class_count
    biases: Any = bias * anchors  # Keras names only the type of a number
    initial: dict[str, Any] = {
        "kernel_initializer": initializers.RandomNormal(stddev=0.01),
        "bias_initializer": initializers.Constant(biases),
    }
    x = layers.Conv2D(
        anchors * len(bias),
        1,
        dtype="float32",
        name=name,
        **initial,
    )(x)
    return SplitAnchors(anchors, dtype="float32", name=f"{name}_logits")(x)


@register_keras_serializable(package="yolo4")
class SplitAnchors(layers.Layer):
    """Reshapes `[B, H, W, A * numbers]` to `[B, H, W, A, numbers]`, H and W known or not."""

    def __init__(self, anchors: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.anchors = anchors

    def call(self, x: Tensor) -> Tensor:
        """Split the last axis."""
        shape = ops.shape(x)
        return ops.reshape(x, (*shape[:3], self.anchors, shape[3] // self.anchors))

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "anchors": self.anchors}


class KerasGraph:
    """A `nets.networks.spec.GraphBuilder` of Keras layers.

    The convolutions are named `conv_1`, `conv_2`, ... in the order of their construction.

    Args:
        anchors: anchors of a level.
        class_count: number of classes.
        confidence_prior: confidence of the untrained network.

    Attributes:
        convolutions: number of convolutions so far.
    """

    def __init__(self, anchors: int, class_count: int, confidence_prior: float) -> None:
        self.convolutions = 0
        self._head = (anchors, class_count, confidence_prior)

    def _name(self) -> str:
        self.convolutions += 1
        return f"conv_{self.convolutions}"

    def conv(
        self, x: Tensor, filters: int, kernel: int, activation: str, stride: int = 1
    ) -> Tensor:
        """As `conv_bn_act`."""
        return conv_bn_act(x, filters, kernel, activation, self._name(), stride)

    def add(self, x: Tensor, y: Tensor) -> Tensor:
        """Sum of features of equal shape."""
        return layers.Add()([x, y])

    def concat(self, *xs: Tensor) -> Tensor:
        """Concatenation of channels."""
        return layers.Concatenate()(list(xs))

    def half(self, x: Tensor) -> Tensor:
        """The second half of the channels."""
        return x[..., x.shape[-1] // 2 :]

    def max_pool(self, x: Tensor) -> Tensor:
        """Maximum over 2x2 pixels with stride 2."""
        return layers.MaxPooling2D(2)(x)

    def pyramid_pooling(self, x: Tensor) -> Tensor:
        """As `spp`."""
        return spp(x)

    def upsample(self, x: Tensor) -> Tensor:
        """Each pixel repeated to 2x2."""
        return layers.UpSampling2D(2)(x)

    def head(self, x: Tensor, level: int) -> Tensor:
        """As `logits_of`; all levels have as many anchors."""
        return logits_of(x, *self._head, self._name())
