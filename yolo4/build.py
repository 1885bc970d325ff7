"""Builds the network and the loss of a run, in its precision and with its weights."""

import inspect
import io
import re
from pathlib import Path

import keras
import numpy as np

from nets.losses import YOLOv4Loss, confidence_loss
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from utils.files.intact import append_checksum, require_intact
from utils.files.writing import atomic_path
from yolo4.config import Config
from yolo4.environment.onednn import allows_amx
from yolo4.run import Run
from yolo4.weights.keras3 import read_keras3
from yolo4.weights.keras_graph import fill_own

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_LEAST_WIDTH_FOR_BFLOAT16 = 0.75
_LOSS_SETTINGS = inspect.getfullargspec(confidence_loss).kwonlyargs


def set_precision(config: Config) -> str:
    """Set the precision of layers built from now on.

    Args:
        config: its `precision` is used. "auto" is bfloat16 for a wide network on a processor with
            AMX, else float32: the small matrices of a slim network are slower in bfloat16.

    Returns:
        The precision.
    """
    precision = config.precision
    if precision == "auto":
        wide = config.width >= _LEAST_WIDTH_FOR_BFLOAT16
        precision = "bfloat16" if wide and _has_amx() else "float32"
    keras.config.set_floatx("float32")  # of numbers that have no policy; Keras's file may differ
    keras.mixed_precision.set_global_policy(_POLICIES[precision])
    return precision


def _has_amx() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware; known only on Linux."""
    cpuinfo = Path("/proc/cpuinfo")
    has_amx = cpuinfo.is_file() and re.search(r"\bamx_bf16\b", cpuinfo.read_text()) is not None
    return has_amx and allows_amx()


def build_model(config: Config, class_count: int, any_size: bool = False) -> YOLOv4:
    """The untrained network that the settings describe.

    It takes images of the input size only, or of any size if `any_size` is set or the training is
    multi-scale.
    """
    keras.config.set_image_data_format("channels_last")  # Keras's file may name the other order
    model = YOLOv4(
        class_count,
        config.width,
        config.depth,
        (None, None) if any_size or config.multi_scale else config.input_shape,
        config.confidence_prior,
        config.batch_norm_epsilon,
        config.network_spec,
    )
    if config.freeze_bn:
        model.freeze_statistics()
    return model


def build_criterion(config: Config, anchors: np.ndarray) -> YOLOv4Loss:
    """The loss that the settings describe, for anchors `[L * A, 2]` in input pixels.

    Raises:
        UserError: the settings have no `positives_per_image`.
    """
    if config.positives_per_image is None:
        raise UserError(
            "the settings have no positives_per_image, by which the loss is divided: the run "
            "began with an older version, whose loss had another divisor; train it anew"
        )
    return YOLOv4Loss(
        anchors=anchors,
        strides=config.network_spec.strides,
        scale_x_y=config.grid_sensitivity,
        positives_per_image=config.positives_per_image,
        confidence=confidence_loss(
            config.confidence_loss, **{name: getattr(config, name) for name in _LOSS_SETTINGS}
        ),
        box_loss=config.box_loss,
        box_gain=config.box_gain,
        confidence_gain=config.confidence_gain,
        class_gain=config.class_gain,
        label_smoothing=config.label_smoothing,
        ignore_threshold=config.ignore_threshold,
        anchor_match_threshold=config.anchor_match_threshold,
    )


def save_weights(model: YOLOv4, path: Path) -> None:
    """Write the network's weights, without the optimizer's, atomically and with a checksum."""
    content = _WeightsInMemory()
    # With a fixed name: the one that Keras gives counts the models that were made before.
    keras.Model(model.inputs, model.outputs, name="network").save_weights(content)
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.getvalue())
        append_checksum(temporary)


class _WeightsInMemory(io.BytesIO):
    """A file in memory that Keras writes weights to.

    On a full disk, HDF5 would keep the file open, try to write the rest when Python exits, and
    crash. In memory it takes as much as the network's weights.
    """

    def __str__(self) -> str:
        return "in memory.weights.h5"  # Keras checks the ending


def load_run_model(run: Run) -> YOLOv4:
    """The network of a run with its best weights, or the last if none have been measured yet.

    It takes images of any size that is a multiple of its largest stride.

    Raises:
        UserError: there are no weights yet, they are damaged, or they are for another network or
            class count.
    """
    config, class_count = run.config(), len(run.class_names())
    path = run.weights()
    require_intact(path)
    stored = read_keras3(path)
    weights_count = stored.class_count(config.network_spec)
    if weights_count != class_count:
        raise UserError(
            f"{path} is for {weights_count} classes, but {run.classes_file} names {class_count}"
        )
    model = build_model(config, class_count, any_size=True)
    try:
        fill_own(model, stored, whole=True)
    except UserError as error:
        raise UserError(
            f"{error} ({run.config_file} says width {config.width} and depth {config.depth})"
        ) from None
    return model
