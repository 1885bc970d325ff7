"""Reads the `.h5` weights of Keras 2, which store the layers' names, order and shapes, no graph."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from nets.networks import YOLOV4, NetworkSpec
from utils.errors import UserError
from utils.files.reading import parse_json, reading
from utils.printable import printable
from yolo4.weights import WeightsFormat
from yolo4.weights.hdf5 import array_in, group_in, open_hdf5
from yolo4.weights.keras_file import (
    StoredLayer,
    StoredNetwork,
    stored_network,
)

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

_IN_MODEL = "model_weights"


def is_keras2(path: Path) -> bool:
    """Whether a file is HDF5 in the layout of Keras 2, of weights alone or of a whole model.

    Raises:
        UserError: the file is HDF5 but damaged.
    """
    if not (path.is_file() and h5py.is_hdf5(path)):
        return False
    with open_hdf5(path, "an undamaged HDF5 file") as file:
        return _layer_list(file) is not None


def read_keras2(path: Path) -> StoredNetwork:
    """Read the layers of a file.

    Raises:
        UserError: the file is damaged, or not of Keras 2.
    """
    with open_hdf5(path, "undamaged weights of Keras 2") as file:
        layers = _stored_layers(_layer_list(file))
    return stored_network(path, "Keras 2", layers)


def keras2_settings(network: NetworkSpec = YOLOV4) -> dict[str, Any]:
    """How networks were trained in Keras 2: with its epsilon and without grid sensitivity."""
    return {"scale_x_y": (1.0,) * network.levels, "batch_norm_epsilon": 1e-3}


def settings_of_model(
    path: Path, network: NetworkSpec, model_config: str | bytes | None
) -> dict[str, Any]:
    """As `keras2_settings`, but with the epsilon of the model's own batch norms if it is known.

    Args:
        path: the file.
        network: the network.
        model_config: the description of the model in a file of a whole model, JSON.

    Raises:
        UserError: the description is damaged, or the batch norms have several epsilons.
    """
    settings = keras2_settings(network)
    if model_config is None:
        return settings
    with reading(path, "an undamaged description of the model"):
        epsilons = set(_epsilons(parse_json(model_config, path)))
    if len(epsilons) > 1:
        found = ", ".join(map(str, sorted(epsilons)))
        raise UserError(
            f"{path}: its batch norms have the epsilons {found}, but those of {network.title} have "
            "one in common"
        )
    if epsilons:
        settings["batch_norm_epsilon"] = epsilons.pop()
    return settings


def keras2_class_count(path: Path, network: NetworkSpec = YOLOV4) -> int:
    """The class count of the heads in a file for a network.

    Raises:
        UserError: the file is damaged, or not for this network.
    """
    return read_keras2(path).class_count(network)


def load_keras2(model: "YOLOv4", path: Path, whole: bool = False) -> str:
    """Fill a network; the heads keep their values if the file's are for another class count.

    Args:
        model: the network.
        path: the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or more lines for the log.

    Raises:
        UserError: the file is damaged or is for another network; nothing was loaded.
    """
    from yolo4.weights.keras_graph import fill_by_graph

    return fill_by_graph(model, read_keras2(path), whole)


def _network(path: Path, network: NetworkSpec) -> NetworkSpec:
    return read_keras2(path).network(network)


def _settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    with open_hdf5(path, "undamaged weights of Keras 2") as file:
        model_config: Any = file.attrs.get("model_config")
    return settings_of_model(path, network, model_config)


def _epsilons(config: Any) -> Iterator[float]:
    """The epsilon of each batch norm in the description of a model."""
    if isinstance(config, dict):
        if config.get("class_name") == "BatchNormalization":
            yield float(config["config"]["epsilon"])
        config = list(config.values())
    if isinstance(config, list):
        for part in config:
            yield from _epsilons(part)


KERAS2 = WeightsFormat("Keras 2", is_keras2, keras2_class_count, load_keras2, _network, _settings)


def _layer_list(file: h5py.File) -> h5py.Group | None:
    """The group that lists the layers."""
    groups = [file, *([group_in(file, _IN_MODEL)] if _IN_MODEL in file else [])]
    return next((group for group in groups if _texts(group, "layer_names")), None)


def _stored_layers(group: h5py.Group | None) -> list[StoredLayer]:
    """All layers with arrays, those of nested models included."""
    if group is None:
        raise KeyError("no layer_names")
    layers: dict[str, StoredLayer] = {}
    for outer in _texts(group, "layer_names"):
        member = group_in(group, outer)
        for path in _texts(member, "weight_names"):
            layer, _, array = path.rpartition("/")
            name = printable(layer or outer)
            stored = StoredLayer(name, {}, name)
            stored = layers.setdefault(f"{outer}/{layer}", stored)
            stored.arrays[array.removesuffix(":0")] = array_in(member, path)
    return list(layers.values())


def _texts(group: h5py.Group, name: str) -> list[str]:
    """An attribute that lists names; Keras splits a long one into `name0`, `name1`, ..."""
    split = (f"{name}{part}" for part in itertools.count())
    parts = [name] if name in group.attrs else itertools.takewhile(group.attrs.__contains__, split)
    texts = []
    for part in parts:
        names: Any = group.attrs[part]
        texts += list(names)
    return [text.decode() if isinstance(text, bytes) else str(text) for text in texts]
