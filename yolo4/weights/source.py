"""Initial weights: resolved once to a file of a known format, then asked for what they hold."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nets.networks import YOLOV4, NetworkSpec
from utils.anchors import read_anchors
from utils.errors import UserError
from utils.files.intact import require_intact
from utils.files.reading import refuse_pointer
from yolo4.run import open_run
from yolo4.weights import WeightsFormat
from yolo4.weights.darknet.load import DARKNET
from yolo4.weights.keras2 import KERAS2
from yolo4.weights.keras3 import KERAS3
from yolo4.weights.own import OWN
from yolo4.weights.released import NETWORK_OF_RELEASE, RELEASED, released_file

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4

# The first one that recognizes a file reads it. Darknet's files have no signature: it takes any.
FORMATS = (KERAS2, OWN, KERAS3, DARKNET)


@dataclass(frozen=True, eq=False)
class WeightsSource:
    """A file of initial weights.

    Attributes:
        name: as the user named it.
        path: the file.
        format: the format of the file.
        network: the network that the weights are for.
    """

    name: str
    path: Path
    format: WeightsFormat
    network: NetworkSpec

    def class_count(self) -> int | None:
        """The class count of the heads; None if the file does not determine it.

        Raises:
            UserError: the file holds no weights of its format.
        """
        return self._class_count

    @cached_property
    def _class_count(self) -> int | None:
        return self.format.class_count(self.path, self.network)

    def settings(self) -> dict[str, Any]:
        """Values of `Config` that the weights were trained with, as far as they are known.

        The network, and settings that no shape shows.
        """
        return {
            "network": self.network.name,
            **self.format.settings(self.path, self.network),
        }

    def remarks(self, anchors: np.ndarray, class_count: int) -> tuple[str, ...]:
        """Lines for the log about what may surprise in a training that begins with these weights.

        Args:
            anchors: `[L * A, 2]`, the anchors of the training, width and height in input pixels.
            class_count: the class count of the training; for another one no heads are loaded.

        Raises:
            UserError: the anchors of the weights cannot be read.
        """
        file = self.format.anchors_file(self.path)
        if file is None or self.class_count() != class_count:
            return ()
        if np.allclose(read_anchors(file, len(anchors)), anchors):
            return ()
        return (
            f"{self.name}: its heads are loaded but were trained with other anchors; "
            f"--anchors {file} keeps those",
        )

    def load_into(self, model: "YOLOv4", whole: bool = False) -> str:
        """Fill a network with the weights that fit.

        Args:
            model: the network.
            whole: refuse weights that do not fill the whole network.

        Returns:
            One or more lines for the log.

        Raises:
            UserError: the file is damaged or is for another network; nothing was loaded.
        """
        return self.format.load(model, self.path, whole)


def open_weights(weights: str, network: NetworkSpec = YOLOV4) -> WeightsSource:
    """Find initial weights and check what can be checked before there is a network.

    Args:
        weights: as in `find_weights`.
        network: the network that the weights are for, if they do not tell.

    Raises:
        UserError: as in `find_weights`, or the file holds no weights.
    """
    source = find_weights(weights, network)
    source.class_count()
    return source


def network_of(weights: str, network: NetworkSpec = YOLOV4) -> NetworkSpec:
    """The network of initial weights, without a download; otherwise as `find_weights`."""
    if _is_released(weights):
        return NETWORK_OF_RELEASE[weights]
    return find_weights(weights, network).network


def _is_released(weights: str) -> bool:
    return weights in RELEASED and not Path(weights).exists()


def find_weights(weights: str, network: NetworkSpec = YOLOV4) -> WeightsSource:
    """Find the file of initial weights and its format.

    Args:
        weights: a file in any of `FORMATS`; a run folder, which stands for its best weights, else
            its last; or the name of a released file, which is downloaded if necessary.
        network: the network that the weights are for, if they do not tell.

    Raises:
        UserError: the file does not exist, is damaged or a pointer of Git LFS, the folder is not a
            run or has no weights yet, or the download failed.
    """
    path = Path(weights)
    if _is_released(weights):
        path = released_file(weights)
    elif path.is_dir():
        path = open_run(path).weights()
    if not path.is_file():
        raise UserError(f"{path}: no such weights file")
    refuse_pointer(path)
    require_intact(path)  # before a library reads it
    file_format = next(known for known in FORMATS if known.recognizes(path))
    return WeightsSource(weights, path, file_format, file_format.network(path, network))
