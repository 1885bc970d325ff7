"""The neck and the heads of YOLOv4."""

import math
from collections.abc import Callable, Iterator

from keras import KerasTensor, initializers, layers, ops
from keras.saving import register_keras_serializable

from nets.blocks import conv_bn_act, spp
from nets.cspdarknet53 import scaled

Head = Callable[[KerasTensor, int], KerasTensor]


def panet(
    c3: KerasTensor,
    c4: KerasTensor,
    c5: KerasTensor,
    width: float,
    names: Iterator[str],
    head: Head,
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Path aggregation (Liu et al. 2018, PANet) as yolov4.cfg has it: down, up, with three heads.

    Args:
        c3: backbone features at stride 8.
        c4: backbone features at stride 16.
        c5: backbone features at stride 32.
        width: channels relative to YOLOv4.
        names: names of the convolutions in order; the heads stand between the neck's.
        head: makes logits of features and the head's number of channels.

    Returns:
        What `head` makes at strides 8, 16 and 32.
    """
    channels = scaled(width)

    def conv(x: KerasTensor, filters: int, kernel: int = 1, stride: int = 1) -> KerasTensor:
        return conv_bn_act(x, channels(filters), kernel, "leaky", names, stride)

    def five(x: KerasTensor, filters: int) -> KerasTensor:
        for _ in range(2):
            x = conv(x, filters)
            x = conv(x, 2 * filters, 3)
        return conv(x, filters)

    def merge_up(deep: KerasTensor, lateral: KerasTensor, filters: int) -> KerasTensor:
        deep = layers.UpSampling2D(2)(conv(deep, filters))
        return five(layers.Concatenate()([conv(lateral, filters), deep]), filters)

    def merge_down(shallow: KerasTensor, deep: KerasTensor, filters: int) -> KerasTensor:
        shallow = conv(shallow, filters, 3, stride=2)
        return five(layers.Concatenate()([shallow, deep]), filters)

    n5 = spp(conv(conv(conv(c5, 512), 1024, 3), 512))
    n5 = conv(conv(conv(n5, 512), 1024, 3), 512)
    n4 = merge_up(n5, c4, 256)
    n3 = merge_up(n4, c3, 128)
    p3 = head(n3, 256)
    n4 = merge_down(n3, n4, 256)
    p4 = head(n4, 512)
    n5 = merge_down(n4, n5, 512)
    p5 = head(n5, 1024)
    return p3, p4, p5


def yolo_head(
    width: float, anchors: int, class_count: int, confidence_prior: float, names: Iterator[str]
) -> Head:
    """A function that puts a head on features.

    The last convolution starts near zero and its confidence bias at `-log((1 - prior) / prior)`
    (Lin et al. 2017, Focal Loss, section 3.3), so that an untrained network is `prior` confident
    everywhere. It computes in float32 under every precision policy.

    Args:
        width: channels relative to YOLOv4.
        anchors: anchors of a level, A.
        class_count: number of classes, C.
        confidence_prior: the first confidence.
        names: names of the convolutions in order.

    Returns:
        A function of features `[B, H, W, F]` and a number of channels, which makes logits
        `[B, H, W, A, 5 + C]` in the order tx, ty, tw, th, confidence, classes.
    """
    numbers = 5 + class_count
    bias = [0.0] * 4 + [-math.log((1 - confidence_prior) / confidence_prior)] + [0.0] * class_count

    def head(x: KerasTensor, filters: int) -> KerasTensor:
        x = conv_bn_act(x, scaled(width)(filters), 3, "leaky", names)
        name = next(names)
        x = layers.Conv2D(
            anchors * numbers,
            1,
            kernel_initializer=initializers.RandomNormal(stddev=0.01),
            bias_initializer=initializers.Constant(bias * anchors),
            dtype="float32",
            name=name,
        )(x)
        return SplitAnchors(anchors, dtype="float32", name=f"{name}_logits")(x)

    return head


@register_keras_serializable(package="yolo4")
class SplitAnchors(layers.Layer):
    """Reshapes `[B, H, W, A * numbers]` to `[B, H, W, A, numbers]`, H and W known or not."""

    def __init__(self, anchors: int, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.anchors = anchors

    def call(self, x: KerasTensor) -> KerasTensor:
        """Split the last axis."""
        shape = ops.shape(x)
        return ops.reshape(x, (*shape[:3], self.anchors, shape[3] // self.anchors))

    def get_config(self) -> dict:
        """What the constructor takes."""
        return {**super().get_config(), "anchors": self.anchors}
