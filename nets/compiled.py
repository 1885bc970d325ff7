"""Functions in the backend's compiled form where that is faster, and their gradients."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import keras
from keras import KerasTensor, ops


def compiled(function: Callable) -> Callable:
    """Compile `function` with XLA under the TensorFlow backend.

    For pieces without convolutions, such as an activation's gradient or the whole loss: XLA fuses
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


class Call(NamedTuple):
    """A call to come.

    Attributes:
        function: what is called.
        arguments: shapes and types of its arguments, the batch size None.
    """

    function: Callable
    arguments: Sequence[KerasTensor]


def compile_ahead(calls: Sequence[Call], batch_size: int) -> None:
    """Begin, in a thread of its own, to compile what `compiled` functions the calls come to.

    XLA takes seconds, in which the caller can trace the training step. The calls themselves are
    traced here and now: TensorFlow fails where two threads trace one function. Under other
    backends nothing is done.

    Args:
        calls: one after the other.
        batch_size: what the batch size will be.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    ready = []
    for function, arguments in calls:
        # The same unknown sizes as in the step, or it would be another function to TensorFlow.
        signature = [tf.TensorSpec(array.shape, array.dtype) for array in arguments]
        traced = tf.function(function, autograph=False, input_signature=signature)
        ready.append((traced.get_concrete_function(), signature))

    def call_all() -> None:
        for function, signature in ready:
            shapes = [[batch_size if side is None else side for side in s.shape] for s in signature]
            function(*(tf.zeros(z, s.dtype) for z, s in zip(shapes, signature, strict=True)))

    threading.Thread(target=call_all, name="compile ahead").start()


def gradient(function: Callable, count: int) -> Callable:
    """The gradient, under TensorFlow, of a scalar function in its first `count` arguments."""

    def call(*arguments: KerasTensor) -> Sequence[KerasTensor]:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(arguments[:count])
            value = function(*arguments)
        return tape.gradient(value, arguments[:count])

    return call


def value_and_gradient(
    function: Callable[[KerasTensor], KerasTensor], x: KerasTensor
) -> tuple[KerasTensor, KerasTensor]:
    """An elementwise function and, by the backend's differentiation, its gradient.

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
