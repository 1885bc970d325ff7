"""Compiles the network with the optimizer of a phase of the training."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import Variable

from nets.yolov4 import YOLOv4
from yolo4.config import Config
from yolo4.train.devices.devices import ONE_DEVICE, Devices
from yolo4.train.optimizer.optimizers import SGD, Adam
from yolo4.train.optimizer.schedule import EpochSchedule

_LR_BATCH = 16  # Config.learning_rate is for this many images per update


def compile_for_phase(
    model: YOLOv4,
    config: Config,
    first_epoch: int,
    steps_per_epoch: int,
    batch_size: int,
    devices: Devices = ONE_DEVICE,
) -> None:
    """Compile the model with a new optimizer.

    Args:
        model: the network; the optimizer leaves out its frozen variables.
        config: the settings.
        first_epoch: first epoch of the phase, counted from 0.
        steps_per_epoch: batches per epoch.
        batch_size: images per batch.
        devices: those in whose scope the model was made.
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
    options: dict[str, Any] = {"jit_compile": jit_compile(devices)}
    backbone = [variable for layer in model.backbone_layers() for variable in layer.variables]
    with devices.scope():
        optimizer = build_optimizer(config, schedule, backbone)
        optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, **options)
    model.optimizer.build(model.trainable_variables)  # for float16, Keras has wrapped it
    devices.distribute(model)


def compiled_by_xla(devices: Devices = ONE_DEVICE) -> str:
    """Which part of a training step is compiled by XLA."""
    if keras.backend.backend() == "torch":
        return "nothing"
    return "the whole step" if jit_compile(devices) else "the loss and the gradient of Mish"


def jit_compile(devices: Devices = ONE_DEVICE) -> bool | str:
    """Whether XLA compiles the whole step.

    Not on a CPU, where oneDNN's convolutions are faster, nor on several devices under TensorFlow,
    whose exchange XLA cannot compile.
    """
    if keras.backend.backend() != "tensorflow":
        return "auto"
    is_alone_on_gpu = devices.strategy is None and keras.distribution.list_devices("gpu")
    return "auto" if is_alone_on_gpu else False


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
