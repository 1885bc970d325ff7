"""Faster implementations of the backend: compilation, gradients, a fused Adam step."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
from keras import Variable, ops

from nets import Tensor


def compiled(function: Callable) -> Callable:
    """Compile `function` with XLA under the TensorFlow backend.

    For functions without convolutions, such as an activation's gradient or the whole loss: XLA
    fuses their many small operations, while TensorFlow would run them one by one over memory.
    Convolutions are left to TensorFlow's own kernels. JAX compiles the whole training step anyway,
    so there, and under PyTorch, the function is returned unchanged.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @functools.cache
    def fused(*signature: object) -> Callable:
        import tensorflow as tf

        # One function per signature: a shared one would warn about being traced many times.
        # Nothing branches on values, so AutoGraph's rewriting would only cost time.
        return tf.function(function, jit_compile=True, autograph=False)

    @functools.wraps(function)
    def call(*args: Tensor) -> object:
        return fused(*((tuple(arg.shape), arg.dtype) for arg in args))(*args)

    return call


class Call(NamedTuple):
    """A call that will be made later.

    Attributes:
        function: the function.
        arguments: shapes and types of its arguments; the batch size is None.
    """

    function: Callable
    arguments: Sequence[Tensor]


def compile_ahead(calls: Sequence[Call], batch_size: int) -> None:
    """Start compiling, on a background thread, every `compiled` function that the calls reach.

    XLA takes seconds, during which the caller can trace the training step. The calls themselves
    are traced before this function returns, since TensorFlow fails if two threads trace one
    function. Does nothing under other backends.

    Args:
        calls: made one after the other.
        batch_size: the batch size of the later calls.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    ready = []
    for function, arguments in calls:
        # With the same unknown sizes as in the step; otherwise TensorFlow would trace again.
        signature = [tf.TensorSpec(array.shape, array.dtype) for array in arguments]
        traced = tf.function(function, autograph=False, input_signature=signature)
        ready.append((traced.get_concrete_function(), signature))

    def call_all() -> None:
        for function, signature in ready:
            shapes = [[batch_size if side is None else side for side in s.shape] for s in signature]
            function(*(tf.zeros(z, s.dtype) for z, s in zip(shapes, signature, strict=True)))

    threading.Thread(target=call_all, name="compile ahead").start()


def gradient(function: Callable, count: int) -> Callable:
    """Under TensorFlow, the gradient of a scalar function in its first `count` arguments."""

    def call(*arguments: Tensor) -> Sequence[Tensor]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(arguments[:count])
            value = function(*arguments)
        return tape.gradient(value, arguments[:count])

    return call


def value_and_gradient(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Value and gradient of an elementwise function, differentiated by the backend.

    Args:
        function: returns an array of the shape of its argument.
        x: float array.

    Returns:
        `function(x)`, and the gradient of its sum in `x`, both of the shape of `x`.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            value = function(x)
        return value, tape.gradient(value, x)
    if backend == "jax":
        import jax  # pyright: ignore[reportMissingImports]  # not a requirement

        value, pull_back = jax.vjp(function, x)
        return value, pull_back(ops.ones_like(value))[0]
    x = x.detach().requires_grad_()
    value = function(x)
    ops.sum(value).backward()
    return value.detach(), x.grad


class AdamNumbers(NamedTuple):
    """Scalars of a step of Adam that are the same for all variables.

    Attributes:
        powers: both betas to the power of the number of the step, counted from 1.
        betas: decay rates of the mean of the gradients and of the mean of their squares.
        epsilon: added to the root of the mean of squares.
    """

    powers: tuple[Tensor, Tensor]
    betas: tuple[Tensor, Tensor]
    epsilon: Tensor


def adam_step(
    variable: Any,
    momentum: Variable,
    velocity: Variable,
    gradient: Tensor,
    learning_rate: Tensor,
    numbers: AdamNumbers,
) -> bool:
    """A step of Adam (Kingma & Ba 2015, section 2, last paragraph) as one TensorFlow operation.

    Keras composes it of a dozen operations per variable: tracing the training step then takes
    seconds longer, and each operation reads and writes the whole variable.

    Args:
        variable: the backend's variable to update.
        momentum: mean of its gradients.
        velocity: mean of their squares.
        gradient: the gradient, of the variable's shape.
        learning_rate: scalar.
        numbers: scalars that all variables share.

    Returns:
        Whether the variable was updated: only under TensorFlow.
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
