"""Networks, their loss and their outputs, as functions and layers of tensors."""

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
"""A tensor of the Keras backend, a symbolic `KerasTensor`, or a NumPy array.

Keras names no type for the three, and its functions take and return each of them.
"""
