"""The optimizer of a phase of training."""

import keras

from nets.yolov4 import YOLOv4
from yolo4.config import Config
from yolo4.schedule import EpochSchedule

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
    model.compile(optimizer=build_optimizer(config, schedule), jit_compile=_jit_compile())
    model.optimizer.build(model.trainable_variables)


def _jit_compile() -> bool | str:
    """Whether the whole step is compiled by XLA: not where oneDNN's convolutions are faster."""
    tensorflow = keras.backend.backend() == "tensorflow"
    return "auto" if not tensorflow or keras.distribution.list_devices("gpu") else False


def build_optimizer(config: Config, schedule: EpochSchedule) -> keras.optimizers.Optimizer:
    """The optimizer that the settings name; weight decay acts on kernels only."""
    shared = {
        "learning_rate": schedule,
        "global_clipnorm": config.gradient_clip,
        "use_ema": config.ema is not None,
        # Keras moves the average at every step, also at those that only accumulate.
        "ema_momentum": 0.99 if config.ema is None else config.ema ** (1 / config.accumulate),
        "gradient_accumulation_steps": config.accumulate if config.accumulate > 1 else None,
    }
    momentum = float(config.momentum)
    if config.optimizer == "adam":
        return keras.optimizers.Adam(beta_1=momentum, **shared)
    decay = {"weight_decay": float(config.weight_decay)}
    if config.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(momentum=momentum, nesterov=True, **decay, **shared)
    else:
        optimizer = keras.optimizers.AdamW(beta_1=momentum, **decay, **shared)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
