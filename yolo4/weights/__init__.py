"""What a weights format has to provide; `yolo4.weights.source.FORMATS` lists all formats.

Files are looked at before Keras is imported, so that a refusal does not wait for it: only the
functions that fill a network import it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from nets.networks import NetworkSpec
from utils.errors import UserError

if TYPE_CHECKING:
    import keras

    from nets.yolov4 import YOLOv4


class Load(Protocol):
    """Fills a network from a file."""

    def __call__(self, model: "YOLOv4", path: Path, whole: bool = False) -> str:
        """Fill a network; the heads keep their values if the file's are for other classes.

        Args:
            model: the network.
            path: the file.
            whole: refuse a file that does not fill the whole network.

        Returns:
            One or more lines for the log.

        Raises:
            UserError: the file is damaged or is for another network; nothing was loaded.
        """
        ...


def _no_settings(path: Path, network: NetworkSpec) -> dict[str, Any]:
    return {}


def _expected(path: Path, network: NetworkSpec) -> NetworkSpec:
    return network


def _no_anchors(path: Path) -> Path | None:
    return None


@dataclass(frozen=True)
class WeightsFormat:
    """A file format of trained weights.

    Attributes:
        name: for messages.
        recognizes: whether an existing file is to be read in this format.
        class_count: the class count of the heads in a file for a network; None if the file does
            not determine it. Raises `UserError` if the file holds no weights of this format.
        load: fills a network from a file.
        network: the network that a file is for; the given one if the file does not tell.
        settings: values of `Config` that the weights in a file for a network were trained with.
            The loss or the layers depend on them, but no shape shows them.
        anchors_file: the file of the anchors that the heads were trained with, if it is known.
    """

    name: str
    recognizes: Callable[[Path], bool]
    class_count: Callable[[Path, NetworkSpec], int | None]
    load: Load
    network: Callable[[Path, NetworkSpec], NetworkSpec] = _expected
    settings: Callable[[Path, NetworkSpec], dict[str, Any]] = _no_settings
    anchors_file: Callable[[Path], Path | None] = _no_anchors


def require_finite(array: np.ndarray, path: Path, place: str) -> None:
    """Refuse an array of weights that no training makes.

    Args:
        array: the weights of one variable.
        path: their file.
        place: the variable, for the message.

    Raises:
        UserError: a number is NaN or infinite.
    """
    bad = array.size - np.count_nonzero(np.isfinite(array))
    if bad:
        raise UserError(f"{path}: {place} has {bad:,} of {array.size:,} numbers NaN or infinite")


def loading_report(
    path: Path, model: "YOLOv4", loaded: "Iterable[keras.layers.Layer | None]"
) -> str:
    """A line for the log: how many convolutions and batch norms of a network were loaded.

    Args:
        path: the file.
        model: the network.
        loaded: the layers that were.
    """
    import keras

    layers, counts = list(loaded), []
    kinds: dict[str, Any] = {
        "convolutions": keras.layers.Conv2D,
        "batch norms": keras.layers.BatchNormalization,
    }
    for name, kind in kinds.items():
        total, there = (sum(isinstance(n, kind) for n in some) for some in (model.layers, layers))
        counts.append(f"{there} of {total} {name}")
    return f"loaded {' and '.join(counts)} from {path}"
