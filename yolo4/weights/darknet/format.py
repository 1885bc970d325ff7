"""Darknet's `.weights` as a format of initial weights."""

from pathlib import Path

from yolo4.weights.darknet import load
from yolo4.weights.darknet.files import read_header
from yolo4.weights.format import WeightsFormat

_FLOAT32 = 4  # bytes


def _recognizes(path: Path) -> bool:
    """Any file: the format has no signature and several suffixes, such as .conv.137."""
    return True


def _class_count(path: Path) -> int | None:
    """The class count of a network of full width and depth; None for any other file."""
    numbers = (path.stat().st_size - read_header(path).size) // _FLOAT32
    return load.darknet_class_count(numbers)


DARKNET = WeightsFormat("Darknet", _recognizes, _class_count, load.load_darknet)
