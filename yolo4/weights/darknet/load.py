"""Darknet's `.weights` as a format of initial weights."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nets.networks import NETWORKS, YOLOV4, NetworkSpec
from utils.errors import UserError
from yolo4.weights import WeightsFormat, loading_report, require_finite
from yolo4.weights.darknet.files import read_header, read_weights
from yolo4.weights.darknet.graph import bare_sections, weight_count
from yolo4.weights.darknet.layers import DarknetLayer, darknet_layers
from yolo4.weights.darknet.reading import CLASS_COUNTS, Reading, likeliest_reading

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4


def darknet_class_count(
    numbers: int, width: float = 1.0, depth: float = 1.0, network: NetworkSpec = YOLOV4
) -> int | None:
    """The class count with which a network has this number of weights.

    Args:
        numbers: number of weights.
        width: channels relative to the network's `.cfg`.
        depth: residual blocks relative to the network's `.cfg`.
        network: the network.

    Returns:
        None if no class count gives this number, for example because a file was cut off.
    """
    none, one = (weight_count(bare_sections(network, count, width, depth)) for count in (0, 1))
    class_count, rest = divmod(numbers - none, one - none)
    return class_count if class_count > 0 and rest == 0 else None


def load_darknet(model: "YOLOv4", path: Path, whole: bool = False) -> str:
    """Fill a network from a Darknet file, as far as the file goes.

    Heads for another class count are skipped, and so are the layers that a cut-off file lacks.
    From a classifier with the same backbone (csdarknet53.weights) only the backbone is loaded.

    Args:
        model: the network.
        path: the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or two lines for the log.

    Raises:
        UserError: the file is not Darknet's, or is for another network; nothing was loaded.
    """
    _, numbers = read_weights(path)
    layers, settings = darknet_layers(model), model.arguments
    expected = settings["class_count"]
    size = (settings["width"], settings["depth"])
    file_count = darknet_class_count(numbers.size, *size, model.network)
    first = layers[0].filters * layers[0].size_of_filter
    if numbers.size < first:
        raise UserError(
            f"{path}: {numbers.size:,} numbers, but the first layer alone has {first:,}"
        )
    if whole:
        _require_size(layers, numbers.size, file_count, expected, path)
    reading = likeliest_reading(
        layers, numbers, (file_count or expected, expected), () if whole else CLASS_COUNTS
    )
    has_backbone = not whole and reading.misfit == model.backbone_convolutions
    if reading.misfit is not None and not has_backbone:
        _refuse(layers, numbers.size, reading.misfit, expected, path)
    pairs = list(zip(layers, reading.parts, strict=False))
    skipped = [] if reading.class_count == expected else [n for n, _ in pairs if n.norm is None]
    _assign([pair for pair in pairs if pair[0] not in skipped], path)
    loaded = [layer for layer, _ in pairs if layer not in skipped]
    text = loading_report(path, model, [part for n in loaded for part in (n.convolution, n.norm)])
    if skipped:
        names = ", ".join(layer.name for layer in skipped)
        text += f"\nnot loaded, as it is for {reading.class_count} classes, not {expected}: {names}"
    elif pairs[-1][0].norm is None and not reading.shows_count:
        text += f"\nassumed to be for {expected} classes: the file is too short to show the number"
    if missing := layers[len(pairs) :]:
        text += _where_it_ends(missing, reading)
    return text


def _assign(pairs: Sequence[tuple[DarknetLayer, np.ndarray]], path: Path) -> None:
    """Give each layer its part of the file, unless a number of any part is not finite."""
    weights = [(layer, *pair) for layer, part in pairs for pair in layer.split(part)]
    for layer, variable, values in weights:
        require_finite(values, path, f"the {variable.name} of {layer.name}")
    for _, variable, values in weights:
        variable.assign(values)


def _refuse(
    layers: Sequence[DarknetLayer], size: int, misfit: int, expected: int, path: Path
) -> None:
    if misfit == len(layers):
        _refuse_size(layers, size, expected, path)
    likely = _known_by_size(size) or "is it for another network, --width, --depth or class count?"
    raise UserError(
        f"{path}: not for this network: where the variances of {layers[misfit].name} "
        f"should be are negative numbers; {likely}"
    )


def _require_size(
    layers: Sequence[DarknetLayer], size: int, file_count: int | None, expected: int, path: Path
) -> None:
    """Refuse a file that does not fill the whole network."""
    if file_count is None:
        _refuse_size(layers, size, expected, path)
    if file_count != expected:
        raise UserError(f"{path} is for {file_count} classes, but this network for {expected}")


def _refuse_size(layers: Sequence[DarknetLayer], size: int, expected: int, path: Path) -> None:
    total = sum(layer.filters * layer.size_of_filter for layer in layers)
    likely = _known_by_size(size) or "is it for another network, --width or --depth?"
    raise UserError(
        f"{path}: {size:,} numbers, but this network for {expected} classes has {total:,}; {likely}"
    )


def _known_by_size(size: int) -> str | None:
    """The network of full width and depth that has as many weights, for messages."""
    for network in NETWORKS.values():
        class_count = darknet_class_count(size, network=network)
        if class_count in CLASS_COUNTS:
            return (
                f"its size is that of {network.title} with --width 1 and --depth 1 for "
                f"{class_count} classes"
            )
    return None


def _where_it_ends(missing: Sequence[DarknetLayer], reading: Reading) -> str:
    names = " to ".join(dict.fromkeys((missing[0].name, missing[-1].name)))
    if reading.misfit is not None:
        return f"\nthe rest is for another network, such as a classifier; not loaded: {names}"
    inside = f" {reading.rest:,} numbers into {missing[0].name}" if reading.rest else ""
    return f"\nthe file ends{inside or ' there'}; not loaded: {names}"


_FLOAT32 = 4  # bytes


def _recognizes(path: Path) -> bool:
    """Any file: the format has no signature and several suffixes, such as .conv.137."""
    return True


def _class_count(path: Path, network: NetworkSpec) -> int | None:
    """The class count if the network has full width and depth; None for any other file."""
    numbers = (path.stat().st_size - read_header(path).size) // _FLOAT32
    return darknet_class_count(numbers, network=network)


def _network(path: Path, network: NetworkSpec) -> NetworkSpec:
    """The network that has as many weights at full width and depth, else the given one."""
    candidates = (network, *NETWORKS.values())
    fitting = (known for known in candidates if _class_count(path, known) in CLASS_COUNTS)
    return next(fitting, network)


DARKNET = WeightsFormat("Darknet", _recognizes, _class_count, load_darknet, _network)
