"""Reads the `.h5` weights of Keras 2, in which YOLOv4 has no graph but names, order and shapes."""

import itertools
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from nets.yolov4 import ANCHORS_PER_LEVEL, YOLOv4
from utils.errors import UserError

# Such networks were trained with Keras's own epsilon and without grid sensitivity.
KERAS2_SETTINGS = {"scale_x_y": (1.0, 1.0, 1.0), "batch_norm_epsilon": 1e-3}

_BOX_NUMBERS = 5
_CONVOLUTION, _NORM = {"kernel", "bias"}, {"gamma", "beta", "moving_mean", "moving_variance"}
_DAMAGES = (OSError, KeyError, TypeError, ValueError, RuntimeError)  # as h5py tells of them
_USUAL_NAME = re.compile(r"(?:conv2d|batch_normalization)(?:_(\d+))?$")


@dataclass(frozen=True)
class Stored:
    """A layer of a file.

    Attributes:
        name: as Keras 2 called it, `conv2d_12` say.
        arrays: "kernel" and "bias", or "gamma", "beta", "moving_mean" and "moving_variance".
    """

    name: str
    arrays: dict[str, np.ndarray]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array."""
        return {name: array.shape for name, array in self.arrays.items()}

    @property
    def number(self) -> int | None:
        """When Keras made the layer, counted among its kind; None where it was named by hand."""
        match = _USUAL_NAME.search(self.name)
        return match and int(match[1] or 0)


def is_keras2(path: Path) -> bool:
    """Whether a file is HDF5 in the layout of Keras 2, of weights alone or of a whole model.

    Raises:
        UserError: it begins as HDF5, but is damaged.
    """
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    try:
        with h5py.File(path) as file:
            return _listing(file) is not None
    except _DAMAGES as error:
        raise UserError(f"{path}: damaged: {error}") from None


def keras2_class_count(path: Path) -> int:
    """The class count that the heads of a file have.

    Raises:
        UserError: it is not a file of YOLOv4.
    """
    convolutions, _ = _read(path)
    heads = [stored.arrays["bias"].size for stored in convolutions if "bias" in stored.arrays]
    numbers, rest = divmod(heads[0], ANCHORS_PER_LEVEL) if heads else (0, 0)
    if len(heads) != 3 or len(set(heads)) != 1 or rest or numbers <= _BOX_NUMBERS:
        found = ", ".join(map(str, heads)) or "none"
        raise UserError(
            f"{path}: not weights of YOLOv4, whose three convolutions with a bias have "
            f"{ANCHORS_PER_LEVEL} * (5 + classes) filters; found: {found}"
        )
    return numbers - _BOX_NUMBERS


def load_keras2(model: YOLOv4, path: Path) -> str:
    """Fill a network; heads for another class count stay as they are.

    The file lists its layers as Keras orders those of any network, which follows from the graph:
    by their distance from the outputs, then as a walk up from the outputs meets them. The same
    order of the network to fill tells which layer is which, whatever the names.

    Returns:
        One or more lines for the log.

    Raises:
        UserError: the file is not whole, or of another network; nothing was loaded.
    """
    convolutions, norms = _read(path)
    pairs = _matched(model, convolutions, norms, path)
    left = []
    for layer, stored in pairs:
        if stored.shapes == _shapes(layer):
            for variable in layer.variables:
                variable.assign(stored.arrays[variable.name])
        else:
            left.append(layer.name)
    total = len(convolutions)
    text = f"loaded {total - len(left)} of {total} convolutions from {path}"
    if left:
        text += f"\nnot loaded, as their shapes differ: {', '.join(left)}"
    return text + _remark_on_numbers(pairs)


def _matched(
    model: YOLOv4, convolutions: list[Stored], norms: list[Stored], path: Path
) -> list[tuple[keras.layers.Layer, Stored]]:
    """Each layer of the network with that of the file, convolutions first."""
    misfits = []
    # The heads are the outputs, in most programs the one of the coarsest grid first.
    for outputs in (model.outputs[::-1], model.outputs):
        layers = keras.Model(model.inputs, outputs).layers
        wanted = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
        wanted_norms = [n for n in layers if isinstance(n, keras.layers.BatchNormalization)]
        if (len(convolutions), len(norms)) != (len(wanted), len(wanted_norms)):
            raise UserError(
                f"{path}: of another network: it has {len(convolutions)} convolutions and "
                f"{len(norms)} batch norms, this one {len(wanted)} and {len(wanted_norms)}; "
                "is it of another --width or --depth?"
            )
        pairs = list(zip(wanted + wanted_norms, convolutions + norms, strict=True))
        misfit = next((pair for pair in pairs if not _fits(*pair)), None)
        if misfit is None:
            _check_norms(pairs, path)
            return pairs
        misfits.append(misfit)
    layer, stored = misfits[0]
    raise UserError(
        f"{path}: {stored.name} has {_words(stored.shapes)}, "
        f"but {layer.name} of this network {_words(_shapes(layer))}; "
        "is it of another --width or --depth?"
    )


def _fits(layer: keras.layers.Layer, stored: Stored) -> bool:
    """Whether the shapes are equal, but for the class count of a head."""
    wanted, found = _shapes(layer), stored.shapes
    if "bias" in wanted and found.keys() == wanted.keys():
        return found["kernel"][:-1] == wanted["kernel"][:-1]
    return found == wanted


def _check_norms(pairs: list[tuple[keras.layers.Layer, Stored]], path: Path) -> None:
    """See that by their numbers, too, each batch norm was made together with its convolution."""
    stored = {layer.name: stored for layer, stored in pairs}
    couples = [(stored[n.removesuffix("_norm")], stored[n]) for n in stored if n.endswith("_norm")]
    if any(one.number is None for couple in couples for one in couple):
        return
    couples.sort(key=lambda couple: couple[0].number)
    by_number = sorted((norm for _, norm in couples), key=lambda norm: norm.number)
    for (convolution, norm), wanted in zip(couples, by_number, strict=True):
        if norm is not wanted:
            raise UserError(
                f"{path}: not the graph of YOLOv4: {convolution.name} was made with {wanted.name}, "
                f"but stands where YOLOv4 has the convolution before {norm.name}"
            )


def _remark_on_numbers(pairs: list[tuple[keras.layers.Layer, Stored]]) -> str:
    """A line where the layers were not made in the usual order, which is that of yolov4.cfg."""
    made = {
        int(layer.name.split("_")[1]): stored.number
        for layer, stored in pairs
        if isinstance(layer, keras.layers.Conv2D)
    }
    numbers = [made[place] for place in sorted(made)]
    if None in numbers or numbers == sorted(numbers):
        return ""
    return "\nits layers were not made in the usual order; matched by the order of the graph"


def _shapes(layer: keras.layers.Layer) -> dict[str, tuple[int, ...]]:
    return {variable.name: tuple(variable.shape) for variable in layer.variables}


def _words(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _read(path: Path) -> tuple[list[Stored], list[Stored]]:
    """The convolutions and the batch norms of a file, as listed."""
    try:
        with h5py.File(path) as file:
            layers = _stored(_listing(file))
    except _DAMAGES as error:
        raise UserError(f"{path}: damaged, or not weights of Keras 2: {error}") from None
    convolutions = [layer for layer in layers if layer.arrays.keys() <= _CONVOLUTION]
    return convolutions, [layer for layer in layers if layer.arrays.keys() == _NORM]


def _listing(file: h5py.File) -> h5py.Group | None:
    """The group that lists the layers."""
    for group in (file, file.get("model_weights")):
        if isinstance(group, h5py.Group) and _texts(group, "layer_names"):
            return group
    return None


def _stored(group: h5py.Group | None) -> list[Stored]:
    """All layers with arrays; of a model that is a layer of another one, its layers."""
    if group is None:
        raise KeyError("no layer_names")
    layers: dict[str, Stored] = {}
    for outer in _texts(group, "layer_names"):
        for path in _texts(group[outer], "weight_names"):
            layer, _, array = path.rpartition("/")
            stored = layers.setdefault(f"{outer}/{layer}", Stored(layer or outer, {}))
            stored.arrays[array.removesuffix(":0")] = group[outer][path][()]
    return list(layers.values())


def _texts(group: h5py.Group, name: str) -> list[str]:
    """An attribute that lists names; Keras splits a long one into `name0`, `name1`, ..."""
    split = (f"{name}{part}" for part in itertools.count())
    parts = [name] if name in group.attrs else itertools.takewhile(group.attrs.__contains__, split)
    found = [text for part in parts for text in group.attrs[part]]
    return [text.decode() if isinstance(text, bytes) else str(text) for text in found]
