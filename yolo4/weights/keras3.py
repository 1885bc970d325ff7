"""Reads the `.weights.h5` files that the project writes."""

import re
import warnings
from pathlib import Path

import h5py
import keras

from nets.yolov4 import ANCHORS_PER_LEVEL, YOLOv4
from utils.errors import UserError

_BOX_NUMBERS = 5
_FOREIGN = "{}: not a .weights.h5 file of this network"


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


def fits(model: YOLOv4, path: Path) -> bool:
    """Whether a weights file is of a network of the same width, depth and class count.

    Raises:
        UserError: as `class_count_of`.
    """
    return _convolutions_in(path) == _shapes(_convolutions(model))


def load_keras3(model: YOLOv4, path: Path) -> str:
    """Fill a network; heads for another class count stay as they are.

    Returns:
        One or two lines for the log.

    Raises:
        UserError: there is no such file, it is no weights file, or of another width or depth;
            nothing was loaded.
    """
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
