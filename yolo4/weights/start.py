"""Weights to start from, of whichever kind the file is."""

from pathlib import Path

import h5py

from nets.yolov4 import YOLOv4
from yolo4.run import open_run
from yolo4.weights.darknet.files import read_header
from yolo4.weights.darknet.load import load_darknet
from yolo4.weights.keras2 import is_keras2, keras2_class_count, load_keras2
from yolo4.weights.keras3 import class_count_of, load_keras3
from yolo4.weights.released import RELEASED, released_file

_KERAS_SUFFIXES = (".h5", ".hdf5", ".keras")


def start_from(model: YOLOv4, weights: str) -> str:
    """Load the weights that fit, and say which do not.

    Args:
        model: the network to fill.
        weights: a file of ours, of Darknet or of Keras 2; a run, whose best weights are taken; or
            the name of a released file.

    Returns:
        One or more lines for the log.

    Raises:
        UserError: there is no such file, it holds no weights, or those of another network.
    """
    path = weights_file(weights)
    if is_darknet(path):
        return load_darknet(model, path)
    return load_keras2(model, path) if is_keras2(path) else load_keras3(model, path)


def check_weights(weights: str) -> None:
    """See that there are weights to start from, as far as can be told before there is a network.

    Raises:
        UserError: there is no such file, or it holds no weights of this kind of network.
    """
    path = weights_file(weights)
    if is_darknet(path):
        read_header(path)
    elif is_keras2(path):
        keras2_class_count(path)
    else:
        class_count_of(path)


def weights_file(weights: str | Path) -> Path:
    """The file itself, or of a run the best weights, else the last; released ones are downloaded.

    Raises:
        UserError: the folder is not a run, or has no weights yet, or the download failed.
    """
    path = Path(weights)
    if str(weights) in RELEASED and not path.exists():
        return released_file(str(weights))
    if not path.is_dir():
        return path
    return open_run(path).weights()


def is_darknet(path: Path) -> bool:
    """Whether a file is to be read as Darknet's: any that is neither HDF5 nor called so."""
    return path.is_file() and not (path.suffix in _KERAS_SUFFIXES or h5py.is_hdf5(path))
