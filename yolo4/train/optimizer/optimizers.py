"""Keras's SGD and Adam with weight decay, an average of the weights and a second learning rate."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import keras
from keras import Variable, ops

from nets import Tensor
from nets.compiled import AdamNumbers, adam_step


class _DecayAndAverage(keras.optimizers.Optimizer):
    """Adds weight decay, an average of the weights and a second learning rate to an optimizer.

    Keras has the first two, with the same results, but takes so many operations per variable that
    they delay the start of a training by seconds.

    The average covers the trainable variables. The moving statistics of batch normalization are not
    averaged a second time.

    Args:
        decay: fraction of a kernel that each update subtracts, times the learning rate.
        average: momentum of the average; None: no average.
        slowed: variables with a lower learning rate, which also scales their weight decay.
        fraction: their learning rate, relative to that of the others.
    """

    def __init__(
        self,
        *,
        decay: float,
        average: float | None,
        slowed: Sequence[Variable] = (),
        fraction: float = 1.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.decay = decay
        self.average = average
        self.fraction = fraction
        self._slowed = {id(variable) for variable in slowed}

    def build(self, variables: Sequence[Variable]) -> None:
        """Create the optimizer's variables."""
        if self.built:
            return
        super().build(variables)
        self._fractions = [self.fraction if id(v) in self._slowed else 1.0 for v in variables]
        self._averages = self.add_optimizer_variables(self._averaged, "average")

    @property
    def _averaged(self) -> Sequence[Variable]:
        """The variables with an average. No attribute: it would make them the optimizer's too."""
        return self._trainable_variables if self.average is not None else ()

    def add_variable_from_reference(
        self,
        reference_variable: Variable,
        name: str | None = None,
        initializer: str = "zeros",
    ) -> Variable:
        """Create a variable like another one, but not named after it: new names take time."""
        return self.add_variable(
            reference_variable.shape, initializer, reference_variable.dtype, name=name
        )

    def apply(
        self, grads: Sequence[Tensor], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Update the variables, then their average, which starts as the first step's weights."""
        share = 1.0 if self.average is None else 1.0 - self.average
        share = ops.where(self.iterations == 0, 1.0, share)
        learning_rate: Tensor = self.learning_rate
        self._shrinkage = self.decay * learning_rate
        super().apply(grads, trainable_variables)
        for average, variable in zip(self._averages, self._averaged, strict=True):
            self.assign_sub(average, (average - variable) * share)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Apply weight decay to a kernel, then the gradient's update."""
        shrinkage, fraction = self._shrinkage, self._fractions[self._get_variable_index(variable)]
        if fraction != 1:
            shrinkage, learning_rate = shrinkage * fraction, learning_rate * fraction
        if self.decay and len(variable.shape) > 1:
            self.assign_sub(variable, variable * shrinkage)
        super().update_step(gradient, variable, learning_rate)

    def _backend_update_step(
        self,
        grads: Sequence[Tensor],
        trainable_variables: Sequence[Variable],
        learning_rate: Tensor,
    ) -> None:
        """Update the variables of this device.

        Keras's version for TensorFlow would add up the gradients of several devices, which
        `yolo4.train.devices` has done before it calls the optimizer.
        """
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)

    def _backend_increment_gradient_accumulators(
        self, grads: Sequence[Tensor], acc_grads: Sequence[Variable]
    ) -> None:
        """Add to the accumulated gradients of this device, for the same reason."""
        for gradient, accumulated in zip(grads, acc_grads, strict=True):
            accumulated.assign(accumulated + gradient)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Set the weights to their average; Keras calls this at the end of `fit`.

        It does so after an error or Ctrl-C, too. JAX has taken the arrays then, and the failure to
        copy them would replace the error.
        """
        if sys.exc_info()[0] is not None:
            return
        for average, variable in zip(self._averages, self._averaged, strict=True):
            variable.assign(ops.copy(average))  # JAX would take the same array for both

    def swap_average(self) -> None:
        """Exchange the weights and their average on the device; nothing happens without one."""
        for average, variable in zip(self._averages, self._averaged, strict=True):
            value = ops.copy(variable)
            variable.assign(average)
            average.assign(value)


class SGD(_DecayAndAverage, keras.optimizers.SGD):
    """Keras's SGD with decay and average."""


class _FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, with the update as one operation if the backend has it."""

    def apply(
        self, grads: Sequence[Tensor], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Update the variables."""
        iterations: Tensor = self.iterations
        step = ops.cast(iterations + 1, "float32")
        betas = ops.cast(self.beta_1, "float32"), ops.cast(self.beta_2, "float32")
        powers = ops.power(betas[0], step), ops.power(betas[1], step)
        self._numbers = AdamNumbers(powers, betas, ops.cast(self.epsilon, "float32"))
        super().apply(grads, trainable_variables)

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Update one variable."""
        index = self._get_variable_index(variable)
        means = self._momentums[index], self._velocities[index]
        if not adam_step(variable, *means, gradient, learning_rate, self._numbers):
            super().update_step(gradient, variable, learning_rate)


# Keras's optimizers differ in the name of the argument of `build`.
class Adam(_DecayAndAverage, _FusedAdam):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Adam with decay (which makes it AdamW) and average."""


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Within the block, the trainable variables hold their average, if the optimizer keeps one.

    Batch normalization's moving means and variances stay as they are: the statistics of the
    activations that the raw weights gave in training.
    """
    # In float16 the optimizer is wrapped in one that scales the loss.
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    optimizer.swap_average()
    try:
        yield
    finally:
        optimizer.swap_average()
