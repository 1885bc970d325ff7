"""The one file that knows the backend: compiles a piece of tensor code where that is faster."""

import functools
from collections.abc import Callable

import keras
from keras import KerasTensor


def compiled(function: Callable) -> Callable:
    """Fuse the operations of `function` into one XLA kernel under the TensorFlow backend.

    Only for chains of elementwise operations, which XLA fuses, and which TensorFlow would run one
    by one over memory. Under JAX the whole training step is compiled anyway, so there, and under
    PyTorch, the function is returned as it is.
    """
    if keras.backend.backend() != "tensorflow":
        return function

    @functools.cache
    def fused(*signature: object) -> Callable:
        import tensorflow as tf

        # One function per signature: a shared one would warn of its many retracings.
        return tf.function(function, jit_compile=True)

    @functools.wraps(function)
    def call(*args: KerasTensor) -> object:
        return fused(*((tuple(arg.shape), arg.dtype) for arg in args))(*args)

    return call
