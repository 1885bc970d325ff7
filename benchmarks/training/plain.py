"""A training step on random images for the benchmarks of training: ours, and a plain one.

The plain step uses what Keras offers: float32, `keras.activations.mish`,
`keras.layers.BatchNormalization`, a loss that is not compiled and `keras.optimizers.AdamW`. The
network, the loss function and the images are the same, and so are the results.
"""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from yolo4.options import option
from yolo4.quiet import quiet_start

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

PLAIN, FLOAT32, AUTO = "plain float32", "float32", "auto"
WAYS = (PLAIN, FLOAT32, AUTO)
OBJECTS = 100
SEED = 0


@dataclasses.dataclass(frozen=True)
class StepOptions:
    """The network and its batches."""

    network: str = option("yolov4", "yolov4, yolov4-tiny or yolov4-tiny-3l")
    input_size: int = option(416, "pixels a side", low=32)
    batch_size: int = option(4, "images per step", low=1)
    classes: int = option(20, "number of classes", low=1)
    width: float = option(1.0, "channels, relative to YOLOv4")
    depth: float = option(1.0, "residual blocks, relative to YOLOv4")


def training_step(way: str, options: StepOptions) -> tuple[Callable[[], object], str]:
    """Under TensorFlow, a function that executes one step, not traced yet, and its precision."""
    with quiet_start():
        import tensorflow as tf

    with plain_pieces(way == PLAIN):
        model, precision = compiled_model(options, "auto" if way == AUTO else "float32")
    batch = random_batch(options.input_size, options.batch_size, options.classes)
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    model.make_train_function()
    return lambda: model.train_function(batches), precision


def compiled_model(options: StepOptions, precision: str) -> tuple["YOLOv4", str]:
    """An untrained network with its loss and optimizer, and its precision as `set_precision`."""
    with quiet_start():
        from yolo4.build import build_criterion, build_model, set_precision
        from yolo4.config import Config
        from yolo4.train.optimizer.compile import compile_for_phase

    config = Config(
        network=options.network,
        width=options.width,
        depth=options.depth,
        input_size=options.input_size,
        batch_size=options.batch_size,
        precision=precision,
        positives_per_image=10.0,
    )
    resolved = set_precision(config)
    model = build_model(config, options.classes)
    model.criterion = build_criterion(config, config.network_spec.anchors)
    compile_for_phase(model, config, 0, 100, options.batch_size)
    return model, resolved


@contextmanager
def plain_pieces(plain: bool) -> Iterator[None]:
    """Within the block, networks, losses and optimizers are built from plain Keras."""
    if not plain:
        yield
        return
    with (
        patch("nets.blocks.BatchNorm", _plain_norm),
        patch("nets.losses.compiled", lambda function: function),
        patch("yolo4.train.optimizer.compile.build_optimizer", _plain_optimizer),
    ):
        yield


def _plain_norm(activation: str = "linear", **options: object) -> Callable:
    import keras

    norm = keras.layers.BatchNormalization(**options)
    return lambda x: keras.layers.Activation(activation)(norm(x))


def _plain_optimizer(config: object, schedule: object, backbone: object) -> object:
    import keras

    made = keras.optimizers.AdamW(
        schedule,
        config.weight_decay,
        beta_1=config.momentum,
        global_clipnorm=config.gradient_clip,
        use_ema=True,
        ema_momentum=config.ema,
    )
    made.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return made


def random_batch(input_size: int, batch_size: int, classes: int) -> tuple[np.ndarray, dict]:
    """Noise with `OBJECTS` random boxes per image, in the form of `TrainingSet.batch`."""
    rng = np.random.default_rng(SEED)
    images = rng.integers(0, 256, (batch_size, input_size, input_size, 3), np.uint8)
    corners = rng.uniform(0, 0.8 * input_size, (batch_size, OBJECTS, 2))
    sides = rng.uniform(0.02, 0.2, corners.shape) * input_size
    return images, {
        "boxes": np.concatenate([corners, corners + sides], axis=-1).astype(np.float32),
        "labels": rng.integers(0, classes, (batch_size, OBJECTS)).astype(np.int32),
        "difficult": np.zeros((batch_size, OBJECTS), bool),
    }
