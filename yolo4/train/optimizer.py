"""The optimizer of a phase of training: learning rate, weight decay, average of the weights."""

import math
import sys
from collections.abc import Sequence
from typing import Any

import keras
from keras import Variable, ops
from keras.optimizers.schedules import LearningRateSchedule

from nets import Tensor
from nets.compiled import AdamNumbers, adam_step
from nets.yolov4 import YOLOv4
from yolo4.config import Config

_LR_BATCH = 16  # Config.learning_rate is for this many images per update
_STEP_EPOCHS = (0.8, 0.9)
_STEP_FACTOR = 0.1


class EpochSchedule(LearningRateSchedule):
    """Linear warm-up, then a cosine or steps, as a function of the epoch.

    Args:
        peak: the highest learning rate.
        kind: "cosine" or "step".
        epochs: epochs of the whole training.
        warmup_epochs: epochs of linear warm-up.
        min_fraction: final learning rate of the cosine, relative to `peak`.
        first_epoch: the epoch at step 0.
        steps_per_epoch: calls of the optimizer per epoch.
    """

    def __init__(
        self,
        peak: float,
        kind: str,
        epochs: int,
        warmup_epochs: float,
        min_fraction: float,
        first_epoch: int,
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.arguments = {
            "peak": peak,
            "kind": kind,
            "epochs": epochs,
            "warmup_epochs": warmup_epochs,
            "min_fraction": min_fraction,
            "first_epoch": first_epoch,
            "steps_per_epoch": steps_per_epoch,
        }

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step counted from 0."""
        a = self.arguments
        epoch = a["first_epoch"] + (ops.cast(step, "float32") + 1) / a["steps_per_epoch"]
        warmup = ops.minimum(1.0, epoch / max(a["warmup_epochs"], 1e-6))
        if a["kind"] == "step":
            drops = sum(ops.cast(epoch > part * a["epochs"], "float32") for part in _STEP_EPOCHS)
            return a["peak"] * warmup * _STEP_FACTOR**drops
        rest = max(a["epochs"] - a["warmup_epochs"], 1e-6)
        progress = ops.clip((epoch - a["warmup_epochs"]) / rest, 0.0, 1.0)
        cosine = (1 + ops.cos(math.pi * progress)) / 2
        low = a["min_fraction"]
        return a["peak"] * warmup * (low + (1 - low) * cosine)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return dict(self.arguments)


def compile_for_phase(
    model: YOLOv4, config: Config, first_epoch: int, steps_per_epoch: int, batch_size: int
) -> None:
    """Compile the model with a new optimizer.

    Args:
        model: the network; the optimizer leaves out its frozen variables.
        config: the settings.
        first_epoch: first epoch of the phase, counted from 0.
        steps_per_epoch: batches per epoch.
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
    options: dict[str, Any] = {"jit_compile": jit_compile()}
    backbone = [variable for layer in model.backbone_layers() for variable in layer.variables]
    model.compile(optimizer=build_optimizer(config, schedule, backbone), **options)
    model.optimizer.build(model.trainable_variables)


def compiled_by_xla() -> str:
    """Which part of a training step is compiled by XLA."""
    if keras.backend.backend() == "torch":
        return "nothing"
    return "the whole step" if jit_compile() else "the loss and the gradient of Mish"


def jit_compile() -> bool | str:
    """Whether XLA compiles the whole step: not on a CPU, where oneDNN's convolutions are faster."""
    tensorflow = keras.backend.backend() == "tensorflow"
    return "auto" if not tensorflow or keras.distribution.list_devices("gpu") else False


def build_optimizer(
    config: Config, schedule: EpochSchedule, backbone: Sequence[Variable] = ()
) -> keras.optimizers.Optimizer:
    """The optimizer that the settings describe; weight decay acts on kernels only.

    Args:
        config: the settings.
        schedule: the learning rate.
        backbone: variables whose learning rate is `backbone_lr_fraction` of it.
    """
    shared = {
        "learning_rate": schedule,
        "slowed": backbone,
        "fraction": config.backbone_lr_fraction,
        "global_clipnorm": config.gradient_clip,
        # The average is updated at every step, including those that only accumulate.
        "average": None if config.ema is None else config.ema ** (1 / config.accumulate),
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
        "decay": 0.0 if config.optimizer == "adam" else float(config.weight_decay),
    }
    momentum = float(config.momentum)
    if config.optimizer == "sgd":
        return SGD(momentum=momentum, nesterov=True, **shared)
    return Adam(beta_1=momentum, **shared)


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
