"""The optimizer of a phase of training."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor, Variable, ops

from nets.batch_norm import AdamNumbers, adam_step
from nets.yolov4 import YOLOv4
from yolo4.config import Config
from yolo4.train.schedule import EpochSchedule

_LR_BATCH = 16  # Config.learning_rate is for this many images per update


def compile_for_phase(
    model: YOLOv4, config: Config, first_epoch: int, steps_per_epoch: int, batch_size: int
) -> None:
    """Compile the model with a fresh optimizer.

    Args:
        model: the network; what is frozen in it is left out.
        config: the settings.
        first_epoch: the epoch the phase begins with, counted from 0.
        steps_per_epoch: batches of an epoch.
        batch_size: images per batch.
    """
    schedule = EpochSchedule(
        config.learning_rate * batch_size * config.accumulate / _LR_BATCH,
        config.lr_schedule,
        config.epochs,
        config.warmup_epochs,
        config.min_lr_fraction,
        first_epoch,
        steps_per_epoch,
    )
    model.compile(optimizer=build_optimizer(config, schedule), jit_compile=jit_compile())
    model.optimizer.build(model.trainable_variables)


def compiled_by_xla() -> str:
    """What of a training step is compiled by XLA."""
    if keras.backend.backend() == "torch":
        return "nothing"
    return "the whole step" if jit_compile() else "the loss and the slope of Mish"


def jit_compile() -> bool | str:
    """Whether the whole step is compiled by XLA: not where oneDNN's convolutions are faster."""
    tensorflow = keras.backend.backend() == "tensorflow"
    return "auto" if not tensorflow or keras.distribution.list_devices("gpu") else False


def build_optimizer(config: Config, schedule: EpochSchedule) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name; weight decay acts on kernels only."""
    shared = {
        "learning_rate": schedule,
        "global_clipnorm": config.gradient_clip,
        # The average moves at every step, also at those that only accumulate.
        "average": None if config.ema is None else config.ema ** (1 / config.accumulate),
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
        "decay": 0.0 if config.optimizer == "adam" else float(config.weight_decay),
    }
    momentum = float(config.momentum)
    if config.optimizer == "sgd":
        return SGD(momentum=momentum, nesterov=True, **shared)
    return Adam(beta_1=momentum, **shared)


class _DecayAndAverage:
    """Gives one of Keras's optimizers weight decay of kernels and an average of the weights.

    Keras has both, and they come to the same numbers, but in so many operations for each variable
    that they take seconds when a training starts.

    Args:
        decay: part of a kernel that goes with each update, times the learning rate.
        average: momentum of the average; None: there is none.
    """

    def __init__(self, *, decay: float, average: float | None, **options: Any) -> None:
        super().__init__(**options)
        self.decay = decay
        self.average = average

    def build(self, variables: Sequence[Variable]) -> None:
        """Make the optimizer's own variables."""
        super().build(variables)
        self._averaged = list(variables) if self.average is not None else []
        self._averages = self.add_optimizer_variables(self._averaged, "average")

    def add_variable_from_reference(
        self,
        reference_variable: Variable,
        name: str | None = None,
        initializer: str = "zeros",
    ) -> Variable:
        """A variable like another. It is not called after it: new names cost TensorFlow time."""
        return self.add_variable(
            reference_variable.shape, initializer, reference_variable.dtype, name=name
        )

    def apply(
        self, grads: Sequence[KerasTensor], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Update the variables, then their average, which begins with the first step's weights."""
        share = 1.0 if self.average is None else 1.0 - self.average
        share = ops.where(self.iterations == 0, 1.0, share)
        self._shrinkage = self.decay * self.learning_rate
        super().apply(grads, trainable_variables)
        for average, variable in zip(self._averages, self._averaged, strict=True):
            self.assign_sub(average, (average - variable) * share)

    def update_step(
        self, gradient: KerasTensor, variable: Variable, learning_rate: KerasTensor
    ) -> None:
        """Let a kernel decay, then update it as the gradient says."""
        if self.decay and len(variable.shape) > 1:
            self.assign_sub(variable, variable * self._shrinkage)
        super().update_step(gradient, variable, learning_rate)

    def finalize_variable_values(self, var_list: Sequence[Variable]) -> None:
        """Put the average in the place of the weights."""
        for average, variable in zip(self._averages, self._averaged, strict=True):
            variable.assign(average)


class SGD(_DecayAndAverage, keras.optimizers.SGD):
    """Keras's SGD with decay and average."""


class _FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, with the update in one operation where the backend has it."""

    def apply(
        self, grads: Sequence[KerasTensor], trainable_variables: Sequence[Variable] | None = None
    ) -> None:
        """Update the variables."""
        step = ops.cast(self.iterations + 1, "float32")
        betas = ops.cast(self.beta_1, "float32"), ops.cast(self.beta_2, "float32")
        powers = ops.power(betas[0], step), ops.power(betas[1], step)
        self._numbers = AdamNumbers(powers, betas, ops.cast(self.epsilon, "float32"))
        super().apply(grads, trainable_variables)

    def update_step(
        self, gradient: KerasTensor, variable: Variable, learning_rate: KerasTensor
    ) -> None:
        """Update one variable."""
        place = self._get_variable_index(variable)
        means = self._momentums[place], self._velocities[place]
        if not adam_step(variable, *means, gradient, learning_rate, self._numbers):
            super().update_step(gradient, variable, learning_rate)


class Adam(_DecayAndAverage, _FusedAdam):
    """Adam with decay (which makes it AdamW) and average."""
