"""Builds the network of a run, with its precision and its weights."""

import re
import warnings
from pathlib import Path

import h5py
import keras
import numpy as np

from nets.losses import YOLOv4Loss, confidence_loss
from nets.yolov4 import ANCHORS_PER_LEVEL, YOLOv4
from utils.errors import UserError
from utils.files import passing_file
from yolo4.config import Config
from yolo4.run import Run, open_run

_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16", "float16": "mixed_float16"}
_BOX_NUMBERS = 5
_LEAST_WIDTH_FOR_BFLOAT16 = 0.75
_FOREIGN = "{}: not a .weights.h5 file of this network"


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
    with passing_file(path) as passing:
        keras.Model(model.inputs, model.outputs).save_weights(passing)


def weights_file(weights: str | Path) -> Path:
    """The file itself, or of a run the best weights, else the last.

    Raises:
        UserError: the folder is not a run, or has no weights yet.
    """
    path = Path(weights)
    if not path.is_dir():
        return path
    run = open_run(path)
    for file in (run.best_weights, run.last_weights):
        if file.is_file():
            return file
    raise UserError(f"{path}: no weights yet; has its training finished an epoch?")


def load_run_model(run: Run) -> YOLOv4:
    """The network of a run with its best weights, or the last where none were measured yet.

    Raises:
        UserError: there are no weights yet, or they are of another network or class count.
    """
    config, class_count = run.config(), len(run.class_names())
    path = weights_file(run.folder)
    found = class_count_of(path)
    if found != class_count:
        raise UserError(
            f"{path} is for {found} classes, but {run.classes_file} names {class_count}"
        )
    model = build_model(config, class_count)
    if _convolutions_in(path) != _shapes(_convolutions(model)):
        raise UserError(
            f"{path} is not of a network of width {config.width} and depth {config.depth}, "
            f"as {run.config_file} says"
        )
    keras.Model(model.inputs, model.outputs).load_weights(path)
    return model


def start_from(model: YOLOv4, weights: str) -> str:
    """Load the weights that fit, and say which do not.

    Args:
        model: the network to fill.
        weights: a `.weights.h5` file, or a run, whose best weights are taken.

    Returns:
        One or two lines for the log.

    Raises:
        UserError: there is no such file, it is no weights file, or of another width or depth.
    """
    path = weights_file(weights)
    class_count_of(path)
    layers, found = _convolutions(model), _convolutions_in(path)
    pairs = zip(layers, _shapes(layers), found, strict=False)
    left = [layer for layer, wanted, shapes in pairs if shapes != wanted]
    # Only the heads, the ones with a bias, depend on the number of classes.
    if len(found) != len(layers) or not all(layer.use_bias for layer in left):
        raise UserError(f"{path}: of a network of another --width or --depth than this one")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what does not fit is told below, by name
            keras.Model(model.inputs, model.outputs).load_weights(path, skip_mismatch=True)
    except ValueError:
        raise UserError(f"{path}: Keras wants a name that ends in .weights.h5") from None
    text = f"loaded {len(layers) - len(left)} of {len(layers)} convolutions from {path}"
    names = ", ".join(layer.name for layer in left)
    return text + (f"\nnot loaded, as their shapes differ: {names}" if left else "")


def class_count_of(path: Path) -> int:
    """The class count that a weights file was made for.

    Raises:
        UserError: there is no such file, or it does not hold weights of this network.
    """
    # Of all convolutions only those of the three heads have a bias.
    biases = [shapes[1] for shapes in _convolutions_in(path) if len(shapes) == 2]
    if len(biases) != 3:
        raise UserError(_FOREIGN.format(path))
    return biases[0][0] // ANCHORS_PER_LEVEL - _BOX_NUMBERS


def _convolutions(model: YOLOv4) -> list[keras.layers.Conv2D]:
    """The convolutions in the order in which a weights file numbers them."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _shapes(layers: list[keras.layers.Conv2D]) -> list[list[tuple[int, ...]]]:
    return [[tuple(weight.shape) for weight in layer.weights] for layer in layers]


def _convolutions_in(path: Path) -> list[list[tuple[int, ...]]]:
    """Shapes of the kernel, and bias if any, of each convolution, in the order of the layers."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    try:
        with h5py.File(path) as file:
            layers = file["layers"]
            names = [name for name in layers if re.fullmatch(r"conv2d(_\d+)?", name)]
            names.sort(key=lambda name: int(name.removeprefix("conv2d").strip("_") or 0))
            return [[tuple(v.shape) for v in layers[name]["vars"].values()] for name in names]
    except (OSError, KeyError):
        raise UserError(_FOREIGN.format(path)) from None
