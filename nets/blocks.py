"""The blocks that CSPDarknet53 and PANet are made of."""

from collections.abc import Iterator

from keras import KerasTensor, layers, ops
from keras.saving import register_keras_serializable

from nets.batch_norm import BatchNormResiduals, normalize_batch
from nets.compiled import Call, compiled


def _mish_gradient(x: KerasTensor, upstream: KerasTensor) -> KerasTensor:
    """Gradient of Mish in closed form.

    With `e = exp(x)` and `n = e (e + 2)`, `tanh(softplus(x)) = n / (n + 2)`, whose gradient is
    `4 e (e + 1) / (n + 2)^2`.
    """
    z = ops.cast(x, "float32")
    e = ops.exp(ops.minimum(z, 20.0))  # beyond 20 the result is 1 in float32; exp would overflow
    n = e * (e + 2)
    gradient = n / (n + 2) + z * 4 * e * (e + 1) / ops.square(n + 2)
    return ops.cast(ops.cast(upstream, "float32") * gradient, x.dtype)


_fused_mish_gradient = compiled(_mish_gradient)


@ops.custom_gradient
def mish(x: KerasTensor) -> tuple:
    """Mish, `x tanh(softplus(x))` (Misra 2019, eq. 1), of a tensor of any shape.

    With nothing between its three operations kept for the backward pass, TensorFlow on a CPU runs
    the forward pass as one operation of oneDNN.
    """

    def gradient(*args: KerasTensor, upstream: KerasTensor | None = None) -> KerasTensor:
        # PyTorch names the upstream gradient, other backends give it last.
        return _fused_mish_gradient(x, args[-1] if upstream is None else upstream)

    return _mish(x), gradient


def _mish(x: KerasTensor) -> KerasTensor:
    return x * ops.tanh(ops.softplus(x))


def _normalized_mish_gradient(
    x: KerasTensor,
    mean: KerasTensor,
    variance: KerasTensor,
    gamma: KerasTensor,
    beta: KerasTensor,
    upstream: KerasTensor,
) -> KerasTensor:
    """Gradient of Mish in what an `BatchNormResiduals` says, which is computed again."""
    scale = gamma * ops.rsqrt(variance)
    normalized = (ops.cast(x, "float32") - mean) * scale + beta
    return ops.cast(_mish_gradient(normalized, upstream), x.dtype)


_fused_normalized_mish_gradient = compiled(_normalized_mish_gradient)


def _normalized_mish(y: KerasTensor, residuals: BatchNormResiduals) -> KerasTensor:
    """Mish of `y`, which need not be kept for the backward pass: that has what it was made of."""

    @ops.custom_gradient
    def activate(y: KerasTensor) -> tuple:
        return _mish(y), lambda upstream: _fused_normalized_mish_gradient(*residuals, upstream)

    return activate(y)


@register_keras_serializable(package="yolo4")
class BatchNorm(layers.BatchNormalization):
    """Keras's batch normalization, with a fused training step, and Mish after it where asked for.

    As in Darknet, the moving variance averages the unbiased variance of the batches. Of Mish the
    backward pass keeps what is normalized alone, which the normalization keeps anyway.

    Args:
        activation: "mish", or "linear" for none.
        options: of `keras.layers.BatchNormalization`.
    """

    def __init__(self, activation: str = "linear", **options: object) -> None:
        super().__init__(**options)
        self.activation = activation

    def call(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Normalize by the batch when training, else by the moving statistics."""
        mishes = self.activation == "mish"
        if not (training and self.trainable):
            y = super().call(inputs, training=training)
            return mish(y) if mishes else y
        moving = self.moving_mean, self.moving_variance
        y, averages, residuals = normalize_batch(
            inputs, self.gamma, self.beta, moving, self.momentum, self.epsilon
        )
        for variable, average in zip(moving, averages, strict=True):
            variable.assign(average)
        if not mishes:
            return y
        return mish(y) if residuals is None else _normalized_mish(y, residuals)

    def compute_output_spec(self, inputs: KerasTensor, training: bool | None = None) -> KerasTensor:
        """Shape and type of the output; said here, Keras need not trace `call` to learn it."""
        return KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        """What the constructor takes."""
        return {**super().get_config(), "activation": self.activation}

    def gradient_call(self) -> Call:
        """How a training step on a CPU calls the gradient of Mish."""
        channels = [KerasTensor((self.output.shape[-1],), "float32")] * 4
        return Call(_fused_normalized_mish_gradient, [self.output, *channels, self.output])


def conv_bn_act(
    x: KerasTensor,
    filters: int,
    kernel: int,
    activation: str,
    names: Iterator[str],
    stride: int = 1,
) -> KerasTensor:
    """Convolution without bias, batch norm, activation.

    Args:
        x: features `[B, H, W, C]`.
        filters: number of output channels.
        kernel: side of the kernel, 1 or 3.
        activation: "mish" or "leaky".
        names: gives the layer's name; `conv_n` is the n-th convolution of yolov4.cfg.
        stride: 1, or 2 to halve height and width.

    Returns:
        Features `[B, H / stride, W / stride, filters]`.
    """
    name = next(names)
    if stride == 2:
        # Darknet pads one pixel all around; with an even input only the top and left are read.
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
    norm = {"momentum": 0.97, "epsilon": 1e-5, "name": f"{name}_norm"}
    if activation == "mish":
        return BatchNorm("mish", **norm)(x)
    x = BatchNorm(**norm)(x)
    return layers.LeakyReLU(negative_slope=0.1, name=f"{name}_leaky")(x)


def csp_stage(
    x: KerasTensor, filters: int, blocks: int, names: Iterator[str], split: bool = True
) -> KerasTensor:
    """One stage of CSPDarknet53: halve the resolution, then residual blocks on a part.

    The features are projected onto two paths; only one goes through the residual blocks, and both
    are joined at the end (Wang et al. 2020, CSPNet, figure 2b).

    Args:
        x: features `[B, H, W, C]`.
        filters: output channels.
        blocks: number of residual blocks.
        names: names of the convolutions, see `conv_bn_act`.
        split: False in the first stage, whose paths keep all channels.

    Returns:
        Features `[B, H / 2, W / 2, filters]`.
    """
    path = filters // 2 if split else filters
    bottleneck = path if split else filters // 2
    x = conv_bn_act(x, filters, 3, "mish", names, stride=2)
    shortcut = conv_bn_act(x, path, 1, "mish", names)
    x = conv_bn_act(x, path, 1, "mish", names)
    for _ in range(blocks):
        residual = conv_bn_act(x, bottleneck, 1, "mish", names)
        residual = conv_bn_act(residual, path, 3, "mish", names)
        x = layers.Add()([x, residual])
    x = conv_bn_act(x, path, 1, "mish", names)
    x = layers.Concatenate()([x, shortcut])
    return conv_bn_act(x, filters, 1, "mish", names)


def spp(x: KerasTensor) -> KerasTensor:
    """Spatial pyramid pooling: maxima over 13, 9 and 5 pixels beside the features themselves.

    Two 5x5 maxima in a row are one over 9x9, three are one over 13x13, so each pool reads the last.

    Args:
        x: features `[B, H, W, C]`.

    Returns:
        Features `[B, H, W, 4 C]`.
    """
    pool5 = layers.MaxPooling2D(5, strides=1, padding="same")(x)
    pool9 = layers.MaxPooling2D(5, strides=1, padding="same")(pool5)
    pool13 = layers.MaxPooling2D(5, strides=1, padding="same")(pool9)
    return layers.Concatenate()([pool13, pool9, pool5, x])
