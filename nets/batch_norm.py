"""Batch normalization and Adam as the backend's one operation, where it has one."""

from typing import Any, NamedTuple

import keras
from keras import KerasTensor, Variable, ops


class BatchNormResiduals(NamedTuple):
    """What normalized features were made of: `(x - mean) / sqrt(variance) * gamma + beta`.

    Attributes:
        x: features `[B, H, W, C]` of any float type.
        mean: of `x`, float32 `[C]`, like the others.
        variance: of `x`, with epsilon.
        gamma: the scale.
        beta: the shift.
    """

    x: KerasTensor
    mean: KerasTensor
    variance: KerasTensor
    gamma: KerasTensor
    beta: KerasTensor


class Normalized(NamedTuple):
    """What batch normalization makes of a batch.

    Attributes:
        y: the normalized features, `[B, H, W, C]`.
        moving: the new moving mean and moving variance, float32 `[C]`.
        residuals: what `y` was made of; None where that is not to be had, or of no use, as the
            backend compiles the whole step.
    """

    y: KerasTensor
    moving: tuple[KerasTensor, KerasTensor]
    residuals: BatchNormResiduals | None


def normalize_batch(
    x: KerasTensor,
    gamma: KerasTensor,
    beta: KerasTensor,
    moving: tuple[KerasTensor, KerasTensor],
    momentum: float,
    epsilon: float,
) -> Normalized:
    """Batch normalization of a training step, in TensorFlow's one fused operation where it is.

    Keras composes it of a dozen operations that each go over memory.

    Args:
        x: features `[B, H, W, C]` of any float type.
        gamma: float32 `[C]`.
        beta: float32 `[C]`.
        moving: mean and unbiased variance, float32 `[C]`, averaged over the steps before.
        momentum: the part of them that stays.
        epsilon: added to the variance.

    Returns:
        The normalized features in the type of `x`, and the statistics.
    """
    if keras.backend.backend() == "tensorflow":
        return _fused(x, gamma, beta, moving, momentum, epsilon)
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(0, 1, 2))
    y = ops.batch_normalization(
        ops.cast(x, "float32"), mean, variance, -1, offset=beta, scale=gamma, epsilon=epsilon
    )
    count = ops.cast(ops.size(x) // x.shape[-1], "float32")
    unbiased = variance * count / ops.maximum(count - 1, 1)
    old_mean, old_variance = moving
    averages = (
        old_mean * momentum + mean * (1 - momentum),
        old_variance * momentum + unbiased * (1 - momentum),
    )
    return Normalized(ops.cast(y, x.dtype), averages, None)


def _fused(
    x: KerasTensor,
    gamma: KerasTensor,
    beta: KerasTensor,
    moving: tuple[KerasTensor, KerasTensor],
    momentum: float,
    epsilon: float,
) -> Normalized:
    import tensorflow as tf

    gamma, beta = tf.convert_to_tensor(gamma), tf.convert_to_tensor(beta)
    made = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=gamma,
        offset=beta,
        mean=moving[0],
        variance=moving[1],
        epsilon=epsilon,
        exponential_avg_factor=1 - momentum,
        is_training=True,
    )
    residuals = None
    # What is kept for its backward pass: on a GPU not the variance, but a number made of it.
    if not keras.distribution.list_devices("gpu"):
        mean, variance = made.reserve_space_1, made.reserve_space_2
        residuals = BatchNormResiduals(x, mean, variance + epsilon, gamma, beta)
    return Normalized(made.y, (made.batch_mean, made.batch_variance), residuals)


class AdamNumbers(NamedTuple):
    """Scalar arrays that a step of Adam needs for every variable.

    Attributes:
        powers: both betas to the power of the number of this step, counted from 1.
        betas: decay of the mean of the gradients and of the mean of their squares.
        epsilon: added to the root of the latter.
    """

    powers: tuple[KerasTensor, KerasTensor]
    betas: tuple[KerasTensor, KerasTensor]
    epsilon: KerasTensor


def adam_step(
    variable: Any,
    momentum: Variable,
    velocity: Variable,
    gradient: KerasTensor,
    learning_rate: KerasTensor,
    numbers: AdamNumbers,
) -> bool:
    """A step of Adam (Kingma & Ba 2015, section 2, last paragraph) in TensorFlow's one operation.

    Keras composes it of a dozen, for each variable: seconds when a training is traced, and as many
    passes over memory at each step.

    Args:
        variable: what is trained, the backend's own variable.
        momentum: mean of its gradients.
        velocity: mean of their squares.
        gradient: of its shape.
        learning_rate: scalar.
        numbers: what is the same for all variables.

    Returns:
        Whether it was done: under TensorFlow only.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.value.handle,
        v=velocity.value.handle,
        beta1_power=numbers.powers[0],
        beta2_power=numbers.powers[1],
        lr=learning_rate,
        beta1=numbers.betas[0],
        beta2=numbers.betas[1],
        epsilon=numbers.epsilon,
        grad=gradient,
    )
    return True
