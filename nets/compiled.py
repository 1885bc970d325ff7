"""The one file that knows the backend: takes its compiled or fused form where that is faster."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import KerasTensor, Variable, ops


def compiled(function: Callable) -> Callable:
    """Compile `function` with XLA under the TensorFlow backend.

    For pieces without convolutions, such as an activation's slope or the whole loss: XLA fuses
    their many small operations, which TensorFlow would run one by one over memory. Convolutions
    are left to TensorFlow's own kernels. Under JAX the whole training step is compiled anyway, so
    there, and under PyTorch, the function is returned as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @functools.cache
    def fused(*signature: object) -> Callable:
        import tensorflow as tf

        # One function per signature: a shared one would warn of its many retracings.
        # Nothing branches on values, so AutoGraph's rewriting would only take time.
        return tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: KerasTensor) -> object:
        return fused(*((tuple(arg.shape), arg.dtype) for arg in args))(*args)

    return call


def compile_gradient_ahead(
    function: Callable,
    inputs: Sequence[KerasTensor],
    constants: Sequence[KerasTensor],
    batch_size: int,
) -> None:
    """Begin, in a thread of its own, what the first gradient of a `compiled` function waits for.

    XLA takes seconds for the loss, in which the caller can trace the rest of the training step.
    Under other backends nothing is done.

    Args:
        function: from lists of inputs and of constants to a scalar.
        inputs: shapes and types of what the gradient is taken in, the batch size None.
        constants: shapes and types of its other arguments.
        batch_size: what the batch size will be.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    # The same unknown sizes as in the step, or TensorFlow would take it for another function.
    signature = [tf.TensorSpec(array.shape, array.dtype) for array in (*inputs, *constants)]

    @tf.function(autograph=False, input_signature=signature)
    def gradient(*arrays: object) -> object:
        first, rest = arrays[: len(inputs)], arrays[len(inputs) :]
        with tf.GradientTape() as tape:
            tape.watch(first)
            value = function(first, rest)
        return tape.gradient(value, first)

    zeros = [tf.zeros((batch_size, *spec.shape[1:]), spec.dtype) for spec in signature]
    threading.Thread(target=gradient, args=zeros, name="compile the loss").start()


def normalise_batch(
    x: KerasTensor, gamma: KerasTensor, beta: KerasTensor, epsilon: float
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """Batch normalisation of a training step, in TensorFlow's one fused operation where it is.

    Keras composes it of a dozen operations that each go over memory.

    Args:
        x: features `[B, H, W, C]` of any float type.
        gamma: float32 `[C]`.
        beta: float32 `[C]`.
        epsilon: added to the variance.

    Returns:
        The normalised features in the type of `x`; mean and unbiased variance, float32 `[C]`.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.compat.v1.nn.fused_batch_norm(x, gamma, beta, epsilon=epsilon)
    mean, variance = ops.moments(ops.cast(x, "float32"), axes=(0, 1, 2))
    y = ops.batch_normalization(
        ops.cast(x, "float32"), mean, variance, -1, offset=beta, scale=gamma, epsilon=epsilon
    )
    count = ops.cast(ops.size(x) // x.shape[-1], "float32")
    return ops.cast(y, x.dtype), mean, variance * count / ops.maximum(count - 1, 1)


def adam_step(
    variable: Any,
    momentum: Variable,
    velocity: Variable,
    gradient: KerasTensor,
    learning_rate: KerasTensor,
    powers: tuple[KerasTensor, KerasTensor],
    betas: tuple[float, float],
    epsilon: float,
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
        powers: both betas to the power of the number of this step, counted from 1.
        betas: decay of either mean.
        epsilon: added to the root of the velocity.

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
        beta1_power=powers[0],
        beta2_power=powers[1],
        lr=learning_rate,
        beta1=betas[0],
        beta2=betas[1],
        epsilon=epsilon,
        grad=gradient,
    )
    return True


def value_and_slope(
    function: Callable[[KerasTensor], KerasTensor], x: KerasTensor
) -> tuple[KerasTensor, KerasTensor]:
    """An elementwise function and, by the backend's differentiation, its slope.

    Args:
        function: gives an array of the shape of its argument.
        x: float array.

    Returns:
        `function(x)`, and the gradient of its sum in `x`, of the same shape.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)
    if backend == "jax":
        import jax

        value, pull_back = jax.vjp(function, x)
        return value, pull_back(ops.ones_like(value))[0]
    x = x.detach().requires_grad_()
    value = function(x)
    ops.sum(value).backward()
    return value.detach(), x.grad
