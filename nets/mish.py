"""The Mish activation and its gradient."""

from keras import ops

from nets import Tensor
from nets.compiled import compiled


def mish_value(x: Tensor) -> Tensor:
    """`x tanh(softplus(x))` (Misra 2019, eq. 1), differentiated by the backend."""
    return x * ops.tanh(ops.softplus(x))


def mish_gradient(x: Tensor, upstream: Tensor) -> Tensor:
    """Gradient of Mish at `x`, times the upstream gradient, in closed form.

    With `e = exp(x)` and `n = e (e + 2)`, `tanh(softplus(x)) = n / (n + 2)`, whose gradient is
    `4 e (e + 1) / (n + 2)^2`.
    """
    z = ops.cast(x, "float32")
    e = ops.exp(ops.minimum(z, 20.0))  # beyond 20 the result is 1 in float32; exp would overflow
    n = e * (e + 2)
    gradient = n / (n + 2) + z * 4 * e * (e + 1) / ops.square(n + 2)
    return ops.cast(ops.cast(upstream, "float32") * gradient, x.dtype)


_compiled_mish_gradient = compiled(mish_gradient)


@ops.custom_gradient
def mish(x: Tensor) -> tuple:
    """Mish of a tensor of any shape.

    Since nothing between its three operations is kept for the backward pass, TensorFlow on a CPU
    runs the forward pass as one oneDNN operation.
    """

    def gradient(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
        # PyTorch passes the upstream gradient by name, other backends as the last argument.
        return _compiled_mish_gradient(x, args[-1] if upstream is None else upstream)

    return mish_value(x), gradient
