"""Reads the `.h5` weights of Keras 2, which store the layers' names, order and shapes, no graph."""

import itertools
import re
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from nets.networks import YOLOV4, NetworkSpec
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.weights import WeightsFormat, loading_report, require_whole

_BOX_AND_CONFIDENCE = 5
_CONVOLUTION, _NORM = {"kernel", "bias"}, {"gamma", "beta", "moving_mean", "moving_variance"}
_DAMAGE_ERRORS = (OSError, KeyError, TypeError, ValueError, RuntimeError)  # what h5py raises
_DEFAULT_NAME = re.compile(r"(?:conv2d|batch_normalization)(?:_(\d+))?$")


@dataclass(frozen=True)
class StoredLayer:
    """A layer of a file.

    Attributes:
        name: the name that Keras 2 gave it, such as `conv2d_12`.
        arrays: "kernel" and "bias", or "gamma", "beta", "moving_mean" and "moving_variance".
    """

    name: str
    arrays: dict[str, np.ndarray]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each array."""
        return {name: array.shape for name, array in self.arrays.items()}

    @property
    def creation_index(self) -> int | None:
        """Its place among the layers of its type as created; None if a person named the layer."""
        match = _DEFAULT_NAME.search(self.name)
        return int(match[1] or 0) if match else None


Pair = tuple[keras.layers.Layer, StoredLayer]


def is_keras2(path: Path) -> bool:
    """Whether a file is HDF5 in the layout of Keras 2, of weights alone or of a whole model.

    Raises:
        UserError: the file is HDF5 but damaged.
    """
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    try:
        with h5py.File(path) as file:
            return _layer_list(file) is not None
    except _DAMAGE_ERRORS as error:
        raise UserError(f"{path}: damaged: {error}") from None


def keras2_settings(network: NetworkSpec = YOLOV4) -> dict[str, Any]:
    """How networks were trained in Keras 2: with its epsilon and without grid sensitivity."""
    return {"scale_x_y": (1.0,) * network.levels, "batch_norm_epsilon": 1e-3}


def keras2_class_count(path: Path, network: NetworkSpec = YOLOV4) -> int:
    """The class count of the heads in a file for a network.

    Raises:
        UserError: the file is not for this network.
    """
    convolutions, _ = _read(path)
    heads = [stored.arrays["bias"].size for stored in convolutions if "bias" in stored.arrays]
    levels, anchors = network.levels, network.anchors_per_level
    values, rest = divmod(heads[0], anchors) if heads else (0, 0)
    if len(heads) != levels or len(set(heads)) != 1 or rest or values <= _BOX_AND_CONFIDENCE:
        sizes = ", ".join(map(str, heads)) or "none"
        raise UserError(
            f"{path}: not weights of {network.title}, whose {levels} convolutions with a bias have "
            f"{anchors} * (5 + classes) filters; found: {sizes}"
        )
    return values - _BOX_AND_CONFIDENCE


def load_keras2(model: YOLOv4, path: Path, whole: bool = False) -> str:
    """Fill a network; the heads keep their values if the file's are for another class count.

    A file lists its layers as Keras sorts those of any network, which follows from the graph: by
    their distance from the outputs, then in the order in which a walk up from the outputs reaches
    them. The same order of the network to fill pairs the layers, whatever their names.

    Args:
        model: the network.
        path: the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or more lines for the log.

    Raises:
        UserError: the file is damaged or is for another network; nothing was loaded.
    """
    convolutions, norms = _read(path)
    pairs = _matched(model, convolutions, norms, path)
    skipped = [layer.name for layer, stored in pairs if stored.shapes != _shapes(layer)]
    if whole:
        require_whole(path, skipped)
    for layer, stored in pairs:
        if layer.name not in skipped:
            for variable in layer.variables:
                variable.assign(stored.arrays[variable.name])
    report = loading_report(path, len(convolutions), skipped)
    return report + _remark_on_creation_order(pairs)


def _settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    return keras2_settings(network)


KERAS2 = WeightsFormat("Keras 2", is_keras2, keras2_class_count, load_keras2, settings=_settings)


def _matched(
    model: YOLOv4, convolutions: list[StoredLayer], norms: list[StoredLayer], path: Path
) -> list[Pair]:
    """Each layer of the network with its layer of the file, convolutions first."""
    misfits = []
    # The heads are the outputs, in most programs the coarsest grid's first.
    for outputs in (model.outputs[::-1], model.outputs):
        layers = keras.Model(model.inputs, outputs).layers
        model_convolutions = [n for n in layers if isinstance(n, keras.layers.Conv2D)]
        model_norms = [n for n in layers if isinstance(n, keras.layers.BatchNormalization)]
        counts = (len(model_convolutions), len(model_norms))
        if (len(convolutions), len(norms)) != counts:
            raise UserError(
                f"{path}: for another network: it has {len(convolutions)} convolutions and "
                f"{len(norms)} batch norms, but this network {counts[0]} and {counts[1]}; "
                "does it have another --width or --depth?"
            )
        pairs = list(zip(model_convolutions + model_norms, convolutions + norms, strict=True))
        misfit = next((pair for pair in pairs if not _fits(*pair)), None)
        if misfit is None:
            _check_norms(pairs, model.network.title, path)
            return pairs
        misfits.append(misfit)
    layer, stored = misfits[0]
    raise UserError(
        f"{path}: for another network: its {stored.name} has {_words(stored.shapes)}, "
        f"but {layer.name} of this network has {_words(_shapes(layer))}; "
        "does it have another --width or --depth?"
    )


def _fits(layer: keras.layers.Layer, stored: StoredLayer) -> bool:
    """Whether the shapes are equal, except for the class count of a head."""
    shapes = _shapes(layer)
    if "bias" in shapes and stored.shapes.keys() == shapes.keys():
        return stored.shapes["kernel"][:-1] == shapes["kernel"][:-1]
    return stored.shapes == shapes


def _check_norms(pairs: list[Pair], title: str, path: Path) -> None:
    """Check that the creation order, too, puts each batch norm behind its convolution."""
    by_name = {layer.name: stored for layer, stored in pairs}
    norms = [name for name in by_name if name.endswith("_norm")]
    numbered = []
    for convolution, norm in ((by_name[n.removesuffix("_norm")], by_name[n]) for n in norms):
        if convolution.creation_index is None or norm.creation_index is None:
            return
        numbered.append((convolution.creation_index, norm.creation_index, convolution, norm))
    created = [norm for *_, norm in sorted(numbered, key=itemgetter(1))]
    numbered.sort(key=itemgetter(0))
    for (*_, convolution, norm), expected in zip(numbered, created, strict=True):
        if norm is not expected:
            raise UserError(
                f"{path}: not the graph of {title}: {convolution.name} was created with "
                f"{expected.name}, but is listed where {title} has the convolution before "
                f"{norm.name}"
            )


def _remark_on_creation_order(pairs: list[Pair]) -> str:
    """A line for the log if the layers were not created in the usual order, yolov4.cfg's."""
    indices = {
        int(layer.name.split("_")[1]): stored.creation_index
        for layer, stored in pairs
        if isinstance(layer, keras.layers.Conv2D)
    }
    created = [indices[place] for place in sorted(indices)]
    known = [index for index in created if index is not None]
    if len(known) < len(created) or known == sorted(known):
        return ""
    return "\nits layers were not created in the usual order; matched by the order of the graph"


def _shapes(layer: keras.layers.Layer) -> dict[str, tuple[int, ...]]:
    return {variable.name: tuple(variable.shape) for variable in layer.variables}


def _words(shapes: dict[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _read(path: Path) -> tuple[list[StoredLayer], list[StoredLayer]]:
    """The convolutions and the batch norms of a file, in its order."""
    try:
        with h5py.File(path) as file:
            layers = _stored_layers(_layer_list(file))
    except _DAMAGE_ERRORS as error:
        raise UserError(f"{path}: damaged, or not weights of Keras 2: {error}") from None
    convolutions = [layer for layer in layers if layer.arrays.keys() <= _CONVOLUTION]
    return convolutions, [layer for layer in layers if layer.arrays.keys() == _NORM]


def _layer_list(file: h5py.File) -> h5py.Group | None:
    """The group that lists the layers."""
    for group in (file, file.get("model_weights")):
        if isinstance(group, h5py.Group) and _texts(group, "layer_names"):
            return group
    return None


def _stored_layers(group: h5py.Group | None) -> list[StoredLayer]:
    """All layers with arrays, those of nested models included."""
    if group is None:
        raise KeyError("no layer_names")
    layers: dict[str, StoredLayer] = {}
    for outer in _texts(group, "layer_names"):
        member = _group(group, outer)
        for path in _texts(member, "weight_names"):
            layer, _, array = path.rpartition("/")
            stored = layers.setdefault(f"{outer}/{layer}", StoredLayer(layer or outer, {}))
            stored.arrays[array.removesuffix(":0")] = _array(member, path)
    return list(layers.values())


def _group(parent: h5py.Group, name: str) -> h5py.Group:
    if not isinstance(member := parent[name], h5py.Group):
        raise TypeError(f"{name} is not a group")
    return member


def _array(parent: h5py.Group, name: str) -> np.ndarray:
    if not isinstance(member := parent[name], h5py.Dataset):
        raise TypeError(f"{name} is not an array")
    return member[()]


def _texts(group: h5py.Group, name: str) -> list[str]:
    """An attribute that lists names; Keras splits a long one into `name0`, `name1`, ..."""
    split = (f"{name}{part}" for part in itertools.count())
    parts = [name] if name in group.attrs else itertools.takewhile(group.attrs.__contains__, split)
    texts = []
    for part in parts:
        names: Any = group.attrs[part]
        texts += list(names)
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
