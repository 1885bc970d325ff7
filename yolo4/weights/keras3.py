"""Reads the `.weights.h5` files of Keras 3, which the project writes."""

import re
import warnings
from pathlib import Path
from typing import Any

import h5py
import keras

from nets.networks import NetworkSpec
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.run import Run
from yolo4.weights import WeightsFormat, loading_report, require_whole

_BOX_AND_CONFIDENCE = 5
_SUFFIXES = (".h5", ".hdf5", ".keras")
_NOT_OURS = "{}: not a .weights.h5 file of this network"

Shapes = list[tuple[int, ...]]


def keras3_class_count(path: Path, network: NetworkSpec) -> int:
    """The class count of the heads in a file for a network.

    Raises:
        UserError: the file does not exist or does not hold weights of this network.
    """
    # Only the convolutions of the heads have a bias.
    biases = [shapes[1] for shapes in _stored_shapes(path) if len(shapes) == 2]
    if len(biases) != network.levels:
        raise UserError(_NOT_OURS.format(path))
    return biases[0][0] // network.anchors_per_level - _BOX_AND_CONFIDENCE


def fits(model: YOLOv4, path: Path) -> bool:
    """Whether a file is for a network of the same width, depth and class count.

    Raises:
        UserError: as `keras3_class_count`.
    """
    return _stored_shapes(path) == _shapes(_convolutions(model))


def load_keras3(model: YOLOv4, path: Path, whole: bool = False) -> str:
    """Fill a network; the heads keep their values if the file's are for another class count.

    Args:
        model: the network.
        path: the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or two lines for the log.

    Raises:
        UserError: the file does not exist, holds no weights, or is for another width or depth;
            nothing was loaded.
    """
    keras3_class_count(path, model.network)
    layers, stored = _convolutions(model), _stored_shapes(path)
    triples = zip(layers, _shapes(layers), stored, strict=False)
    skipped = [layer for layer, shapes, found in triples if found != shapes]
    # Only the heads, the convolutions with a bias, depend on the class count.
    if len(stored) != len(layers) or not all(layer.use_bias for layer in skipped):
        raise UserError(f"{path}: for a network of another --width or --depth than this one")
    names = [layer.name for layer in skipped]
    if whole:
        require_whole(path, names)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the returned text names what does not fit
            keras.Model(model.inputs, model.outputs).load_weights(path, skip_mismatch=True)
    except ValueError:
        raise UserError(f"{path}: Keras requires a name that ends in .weights.h5") from None
    return loading_report(path, len(layers), names)


def _recognizes(path: Path) -> bool:
    return path.suffix in _SUFFIXES or h5py.is_hdf5(path)


def _run_of(path: Path) -> Run | None:
    """The run that a file belongs to."""
    run = Run(path.parent)
    return run if run.config_file.is_file() else None


def _network(path: Path, network: NetworkSpec) -> NetworkSpec:
    run = _run_of(path)
    return network if run is None else run.network()


def _settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    run = _run_of(path)
    if run is None:
        return {}
    config = run.config()
    own = config.grid_sensitivity == network.scale_x_y
    return {
        "scale_x_y": None if own else config.scale_x_y,
        "batch_norm_epsilon": config.batch_norm_epsilon,
        "resize": config.resize,
    }


def _anchors_file(path: Path) -> Path | None:
    run = _run_of(path)
    return None if run is None else run.anchors_file


KERAS3 = WeightsFormat(
    "Keras 3", _recognizes, keras3_class_count, load_keras3, _network, _settings, _anchors_file
)


def _convolutions(model: YOLOv4) -> list[keras.layers.Conv2D]:
    """The convolutions in the order in which a weights file numbers them."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def _shapes(layers: list[keras.layers.Conv2D]) -> list[Shapes]:
    return [[tuple(weight.shape) for weight in layer.weights] for layer in layers]


def _stored_shapes(path: Path) -> list[Shapes]:
    """Shapes of the kernel, and of the bias if any, of each convolution, in the layers' order."""
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    try:
        with h5py.File(path) as file:
            layers = _group(file, "layers")
            names = [name for name in map(str, layers) if re.fullmatch(r"conv2d(_\d+)?", name)]
            names.sort(key=lambda name: int(name.removeprefix("conv2d").strip("_") or 0))
            variables = [_group(layers, f"{name}/vars").values() for name in names]
            return [[tuple(variable.shape) for variable in of_layer] for of_layer in variables]
    except (OSError, KeyError):
        raise UserError(_NOT_OURS.format(path)) from None


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    if not isinstance(member := parent[name], h5py.Group):
        raise KeyError(name)
    return member
