"""What a weights format has to provide; `yolo4.weights.source.FORMATS` lists all formats."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nets.networks import NetworkSpec
from nets.yolov4 import YOLOv4
from utils.errors import UserError


class Load(Protocol):
    """Fills a network from a file."""

    def __call__(self, model: YOLOv4, path: Path, whole: bool = False) -> str:
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


def loading_report(path: Path, total: int, skipped: list[str]) -> str:
    """Lines for the log: how many convolutions were loaded, and which were not.

    Args:
        path: the file.
        total: number of convolutions in the network.
        skipped: names of those whose shapes differ.
    """
    text = f"loaded {total - len(skipped)} of {total} convolutions from {path}"
    if skipped:
        text += f"\nnot loaded, as their shapes differ: {', '.join(skipped)}"
    return text


def require_whole(path: Path, skipped: list[str]) -> None:
    """Refuse a file that does not fill the whole network.

    Raises:
        UserError: names the convolutions that it does not fill.
    """
    if skipped:
        names = ", ".join(skipped)
        raise UserError(f"{path}: does not fill the whole network: the shapes of {names} differ")
