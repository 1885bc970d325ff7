"""Batch normalization, fused into one operation if the backend has it, and with Mish after it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

import keras
from keras import KerasTensor, Variable, layers, ops
from keras.saving import register_keras_serializable

from nets import Tensor
from nets.compiled import Call, compiled
from nets.mish import mish, mish_gradient, mish_value

Statistics = list[tuple[Variable, Tensor]]
"""Moving statistics and the values that they shall have."""

_collected: ContextVar[Statistics | None] = ContextVar("collected", default=None)


@contextmanager
def collected_statistics() -> Iterator[Statistics]:
    """Within the block, batch normalization does not assign its new statistics, but lists them.

    So a step on several devices can average all of them in one exchange.
    """
    statistics: Statistics = []
    token = _collected.set(statistics)
    try:
        yield statistics
    finally:
        _collected.reset(token)


class BatchNormResiduals(NamedTuple):
    """Tensors kept for the backward pass: `y = (x - mean) / sqrt(variance) * gamma + beta`.

    Attributes:
        x: features `[B, H, W, C]` of any float type.
        mean: mean of `x`, float32 `[C]`, like the others.
        variance: variance of `x` plus epsilon.
        gamma: scale.
        beta: shift.
    """

    x: Tensor
    mean: Tensor
    variance: Tensor
    gamma: Tensor
    beta: Tensor


class Normalized(NamedTuple):
    """The result of batch normalization in training.

    Attributes:
        y: the normalized features, `[B, H, W, C]`.
        moving: the new moving mean and moving variance, float32 `[C]`; None if they are frozen.
        residuals: what the backward pass recomputes `y` from; None if the backend does not
            provide it, or compiles the whole step, which makes it useless.
    """

    y: Tensor
    moving: tuple[Tensor, Tensor] | None
    residuals: BatchNormResiduals | None


def normalize_batch(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving: tuple[Tensor, Tensor],
    momentum: float,
    epsilon: float,
    frozen: bool = False,
    synchronized: bool = False,
) -> Normalized:
    """Batch normalization of a training step; under TensorFlow one fused operation.

    Keras composes it of a dozen operations, each of which reads and writes all features.

    Args:
        x: features `[B, H, W, C]` of any float type.
        gamma: scale, float32 `[C]`.
        beta: shift, float32 `[C]`.
        moving: moving mean and moving unbiased variance before the step, float32 `[C]`.
        momentum: weight of the old values in the moving averages.
        epsilon: added to the variance.
        frozen: normalize by the moving statistics.
        synchronized: normalize by the images of all replicas, not by those of each.

    Returns:
        The normalized features in the type of `x`, and the new statistics.
    """
    is_shared = synchronized and not frozen
    if keras.backend.backend() == "tensorflow" and not is_shared:
        return _fused(x, gamma, beta, moving, momentum, epsilon, frozen)
    mean, variance = moving if frozen else ops.moments(ops.cast(x, "float32"), axes=(0, 1, 2))
    replicas = 1
    if is_shared:
        mean, variance, replicas = _moments_of_all(mean, variance)
    y = ops.batch_normalization(
        ops.cast(x, "float32"), mean, variance, -1, offset=beta, scale=gamma, epsilon=epsilon
    )
    if frozen:
        return Normalized(ops.cast(y, x.dtype), None, None)
    count = ops.cast(ops.size(x) // x.shape[-1] * replicas, "float32")
    unbiased = variance * count / ops.maximum(count - 1, 1)
    old_mean, old_variance = moving
    averages = (
        old_mean * momentum + mean * (1 - momentum),
        old_variance * momentum + unbiased * (1 - momentum),
    )
    return Normalized(ops.cast(y, x.dtype), averages, None)


def _moments_of_all(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, int]:
    """Moments over all replicas from those of this one, and the number of replicas (TensorFlow).

    All have as many images. The variance is the mean variance plus the variance of the means (Chan
    et al. 1979, for parts of equal size), which loses no digits, unlike the mean of squares.
    """
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    # Each replica fills its own place, so that the sum holds the moments of all.
    place = tf.one_hot(context.replica_id_in_sync_group, replicas)[:, None]
    means, variances = context.all_reduce("SUM", [place * mean, place * variance])
    mean = tf.reduce_mean(means, axis=0)
    variance = tf.reduce_mean(variances, axis=0)
    variance += tf.reduce_mean(tf.math.squared_difference(means, mean), axis=0)
    return mean, variance, replicas


def _fused(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    moving: tuple[Tensor, Tensor],
    momentum: float,
    epsilon: float,
    frozen: bool,
) -> Normalized:
    import tensorflow as tf

    gamma, beta, mean, variance = map(tf.convert_to_tensor, (gamma, beta, *moving))
    fused = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=mean,
        variance=variance,
        epsilon=epsilon,
        exponential_avg_factor=1 - momentum,
        is_training=not frozen,
    )
    residuals = None
    # The reserve spaces hold mean and variance on a CPU; on a GPU the second is not the variance.
    if not keras.distribution.list_devices("gpu"):
        if not frozen:
            mean, variance = fused.reserve_space_1, fused.reserve_space_2
        residuals = BatchNormResiduals(x, mean, variance + epsilon, gamma, beta)
    averages = None if frozen else (fused.batch_mean, fused.batch_variance)
    return Normalized(fused.y, averages, residuals)


def _normalized_mish_gradient(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor,
    beta: Tensor,
    upstream: Tensor,
) -> Tensor:
    """Gradient in `x` of Mish of the normalized features, which are computed again."""
    scale = gamma * ops.rsqrt(variance)
    normalized = (ops.cast(x, "float32") - mean) * scale + beta
    return ops.cast(mish_gradient(normalized, upstream), x.dtype)


_compiled_normalized_mish_gradient = compiled(_normalized_mish_gradient)


def _normalized_mish(y: Tensor, residuals: BatchNormResiduals) -> Tensor:
    """Mish of `y`, which is recomputed from the residuals in the backward pass."""

    @ops.custom_gradient
    def activate(y: Tensor) -> tuple:
        return mish_value(y), lambda upstream: _compiled_normalized_mish_gradient(
            *residuals, upstream
        )

    return activate(y)


def _update(statistics: Iterable[tuple[Variable, Tensor]]) -> None:
    """Assign the new statistics, or list them, as `collected_statistics` says."""
    collected = _collected.get()
    if collected is not None:
        collected.extend(statistics)
        return
    for variable, average in statistics:
        variable.assign(average)


@register_keras_serializable(package="yolo4")
class BatchNorm(layers.BatchNormalization):
    """Keras's batch normalization with a fused training step, optionally followed by Mish.

    As in Darknet, the moving variance averages the unbiased variance of the batches. The backward
    pass of Mish keeps only the input of the normalization, which the normalization keeps anyway.

    Args:
        activation: "mish", or "linear" for none.
        options: of `keras.layers.BatchNormalization`.

    Attributes:
        synchronized: whether, on several devices under TensorFlow, training normalizes by the
            whole batch instead of each device's part of it.
        frozen_statistics: whether training, too, normalizes by the moving statistics and leaves
            them as they are. Gamma and beta are trained, other than with `trainable = False`.
    """

    moving_mean: Variable
    moving_variance: Variable

    def __init__(self, activation: str = "linear", **options: Any) -> None:
        super().__init__(**options)
        self.activation = activation
        self.frozen_statistics = False

    @property
    def has_statistics(self) -> bool:
        """Whether the moving statistics are other than those of an untrained layer."""
        mean, variance = map(ops.convert_to_numpy, (self.moving_mean, self.moving_variance))
        return bool((mean != 0).any() or (variance != 1).any())

    # Without Keras's `mask`: no layer of the network has one.
    def call(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, inputs: Tensor, training: bool | None = None
    ) -> Tensor:
        """Normalize by the batch in training, unless frozen, otherwise by the moving statistics."""
        has_mish = self.activation == "mish"
        if not (training and self.trainable):
            y = super().call(inputs, training=training)
            return mish(y) if has_mish else y
        moving = self.moving_mean, self.moving_variance
        y, averages, residuals = normalize_batch(
            inputs,
            self.gamma,
            self.beta,
            moving,
            self.momentum,
            self.epsilon,
            self.frozen_statistics,
            self.synchronized,
        )
        if averages is not None:
            _update(zip(moving, averages, strict=True))
        if not has_mish:
            return y
        return mish(y) if residuals is None else _normalized_mish(y, residuals)

    def compute_output_spec(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """Shape and type of the output; without this method Keras would trace `call` for them."""
        return KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**super().get_config(), "activation": self.activation}

    def gradient_call(self) -> Call:
        """How a training step on a CPU calls the gradient of Mish."""
        output: Tensor = self.output
        channels = [KerasTensor((output.shape[-1],), "float32")] * 4
        return Call(_compiled_normalized_mish_gradient, [output, *channels, output])
