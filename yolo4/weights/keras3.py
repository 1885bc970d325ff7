"""Reads the `.weights.h5` of Keras 3, which late versions of Keras 2 write too.

A layer is a group that is named after its class and numbered in the order of the model's layers:
`layers/conv2d_3/vars` with the arrays `0`, `1`, ... A `.keras` file is an archive with such a file.
"""

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from nets.networks import NetworkSpec
from utils.errors import FileError, UserError
from utils.files.reading import MOST_BYTES, MOST_BYTES_OF_DATA_SET, reading
from utils.printable import printable
from yolo4.weights import WeightsFormat
from yolo4.weights.hdf5 import array_in, open_hdf5
from yolo4.weights.keras2 import settings_of_model
from yolo4.weights.keras_file import (
    CONVOLUTION,
    NORM,
    StoredLayer,
    StoredNetwork,
    shortened,
    stored_network,
)

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

_SUFFIXES = (".h5", ".hdf5", ".keras")
_EXPECTED = "undamaged weights of Keras"
_IN_ARCHIVE = "model.weights.h5"
# The model, the layer in its list of layers, which has had two names, and a part of the layer.
_PLACE = re.compile(r"(?:(.*)/)?(?:layers|_layer_checkpoint_dependencies)/([^/]+)(?:/(.+))?")
_NUMBERED = re.compile(r"(.*?)(?:_(\d+))?")


def read_keras3(path: Path) -> StoredNetwork:
    """Read the layers of a file.

    Raises:
        UserError: the file is damaged, is not of Keras 3, or does not show the order of its layers.
    """
    with _opened(path) as file:
        layers = [_stored(file, *layer) for layer in _layers(file).items()]
    if not layers:
        raise UserError(f"{path}: not weights of Keras: it lists no layers with arrays")
    network = stored_network(path, "Keras 3", layers)
    for kind in (network.convolutions, network.norms):
        classes = {_numbered(layer.name)[0] for layer in kind}
        if len(classes) > 1:
            raise UserError(
                f"{path}: does not show the order of its layers, since it numbers the layers of "
                f"each class by themselves: {shortened(sorted(classes))}; expected one class of "
                "convolutions and one of batch norms"
            )
    return network


def layer_classes(path: Path) -> set[str]:
    """The classes of the layers in a file, in the spelling of the file: `conv2d`.

    Raises:
        UserError: it is not such a file.
    """
    with _opened(path) as file:
        return {_numbered(layer)[0].rpartition("/")[2] for layer in _layers(file)}


def keras3_class_count(path: Path, network: NetworkSpec) -> int:
    """The class count of the heads in a file for a network.

    Raises:
        UserError: the file is damaged, or not for this network.
    """
    return read_keras3(path).class_count(network)


def load_keras3(model: "YOLOv4", path: Path, whole: bool = False) -> str:
    """Fill a network from a file of another program; as `yolo4.weights.keras2.load_keras2`."""
    from yolo4.weights.keras_graph import fill_by_graph

    return fill_by_graph(model, read_keras3(path), whole)


def _recognizes(path: Path) -> bool:
    return path.suffix in _SUFFIXES or h5py.is_hdf5(path)


def _network(path: Path, network: NetworkSpec) -> NetworkSpec:
    return read_keras3(path).network(network)


def _settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    is_archive = zipfile.is_zipfile(path)
    config = _unpacked(path, "config.json", MOST_BYTES) if is_archive else None
    return settings_of_model(path, network, config)


KERAS3 = WeightsFormat("Keras 3", _recognizes, keras3_class_count, load_keras3, _network, _settings)


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file, or the one in a `.keras` archive."""
    if not zipfile.is_zipfile(path):
        with open_hdf5(path, _EXPECTED) as file:
            yield file
        return
    unpacked = io.BytesIO(_unpacked(path, _IN_ARCHIVE, MOST_BYTES_OF_DATA_SET))
    with reading(path, _EXPECTED), h5py.File(unpacked) as file:
        yield file


def _unpacked(path: Path, name: str, most: int) -> bytes:
    """A file of a `.keras` archive."""
    with reading(path, _EXPECTED), zipfile.ZipFile(path) as archive:
        size = archive.getinfo(name).file_size
        if size > most:
            raise FileError(path, f"{name} unpacks to {size:,} bytes; expected at most {most:,}")
        return archive.read(name)


def _layers(file: h5py.File) -> dict[str, list[str]]:
    """The names of the arrays of each layer; the layers of a class in the order of the model's."""
    names: list[str] = []
    file.visit(names.append)
    arrays: dict[str, dict[int, str]] = {}
    for name in names:
        # Early versions wrote backslashes on Windows.
        layer, separator, number = name.replace("\\", "/").rpartition("/vars/")
        if separator:
            arrays.setdefault(layer, {})[int(number)] = name
    places = {layer: place for layer in arrays if (place := _PLACE.fullmatch(layer))}
    models = {place[1] for place in places.values()}

    def is_layer(layer: str) -> bool:
        """Whether these are weights, not the state of an optimizer or of random numbers."""
        part = places[layer][3]
        of_model = layer.removesuffix(f"/{part}") in models
        return part is None or not (of_model or part.endswith("seed_generator"))

    return {
        layer: [name for _, name in sorted(arrays[layer].items())]
        for layer in sorted(filter(is_layer, places), key=_numbered)
    }


def _numbered(layer: str) -> tuple[str, int]:
    """A layer's name without its number, and the number."""
    match = _NUMBERED.fullmatch(layer)
    assert match
    return match[1], int(match[2] or 0)


def _stored(file: h5py.File, layer: str, names: Sequence[str]) -> StoredLayer:
    arrays = [array_in(file, name) for name in names]
    given: Any = file[names[0]].parent.attrs.get("name")
    given = given if isinstance(given, str) else None
    return StoredLayer(printable(layer), dict(zip(_variables(arrays), arrays, strict=False)), given)


def _variables(arrays: Sequence[np.ndarray]) -> Sequence[str]:
    """The names of a layer's variables, which their number and their ranks show."""
    ranks = [array.ndim for array in arrays]
    if ranks == [1] * len(NORM):
        return NORM
    if ranks[0] > 1 and len(ranks) <= len(CONVOLUTION):
        return CONVOLUTION
    return [str(place) for place in range(len(arrays))]
