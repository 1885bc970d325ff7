"""Builds the network of a run, with its precision and its weights."""

import re
from pathlib import Path

import keras
import numpy as np

from nets.losses import YOLOv4Loss, confidence_loss
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from utils.files import atomic_path
from yolo4.config import Config
from yolo4.run import Run
from yolo4.weights.keras3 import fits, keras3_class_count

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_LEAST_WIDTH_FOR_BFLOAT16 = 0.75


def set_precision(config: Config) -> str:
    """Set the precision of layers built from now on.

    Args:
        config: its `precision`. "auto" is bfloat16 for a wide network on a processor with AMX, else
            float32: a slim network's small matrices are slower in bfloat16.

    Returns:
        The precision chosen.
    """
    precision = config.precision
    if precision == "auto":
        wide = config.width >= _LEAST_WIDTH_FOR_BFLOAT16
        precision = "bfloat16" if wide and _has_amx() else "float32"
    keras.mixed_precision.set_global_policy(_POLICIES[precision])
    return precision


def _has_amx() -> bool:
    """Whether this processor multiplies bfloat16 matrices in hardware (Linux tells)."""
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.is_file() and re.search(r"\bamx_bf16\b", cpuinfo.read_text()) is not None


def build_model(config: Config, class_count: int) -> YOLOv4:
    """The network that the settings describe, untrained, for their input size alone."""
    return YOLOv4(
        class_count,
        config.width,
        config.depth,
        config.input_shape,
        config.confidence_prior,
        config.batch_norm_epsilon,
    )


def build_criterion(config: Config, anchors: np.ndarray) -> YOLOv4Loss:
    """The loss that the settings describe, for anchors `[9, 2]` in input pixels."""
    return YOLOv4Loss(
        anchors,
        confidence_loss(
            config.confidence_loss,
            alpha=config.focal_alpha,
            gamma=config.focal_gamma,
            beta=config.focal_beta,
            ohem_ratio=config.ohem_ratio,
        ),
        box_loss=config.box_loss,
        box_gain=config.box_gain,
        confidence_gain=config.confidence_gain,
        class_gain=config.class_gain,
        label_smoothing=config.label_smoothing,
        ignore_threshold=config.ignore_threshold,
        anchor_match_threshold=config.anchor_match_threshold,
        scale_x_y=config.scale_x_y,
    )


def save_weights(model: YOLOv4, path: Path) -> None:
    """Write the network's weights, without the optimizer's, whole or not at all."""
    with atomic_path(path) as passing:
        keras.Model(model.inputs, model.outputs).save_weights(passing)


def load_run_model(run: Run) -> YOLOv4:
    """The network of a run with its best weights, or the last where none were measured yet.

    Raises:
        UserError: there are no weights yet, or they are of another network or class count.
    """
    config, class_count = run.config(), len(run.class_names())
    path = run.weights()
    found = keras3_class_count(path)
    if found != class_count:
        raise UserError(
            f"{path} is for {found} classes, but {run.classes_file} names {class_count}"
        )
    model = build_model(config, class_count)
    if not fits(model, path):
        raise UserError(
            f"{path} is not of a network of width {config.width} and depth {config.depth}, "
            f"as {run.config_file} says"
        )
    keras.Model(model.inputs, model.outputs).load_weights(path)
    return model
