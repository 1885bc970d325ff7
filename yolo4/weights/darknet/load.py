"""Darknet's `.weights` as a format of initial weights."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from nets.networks import NETWORKS, YOLOV4, NetworkSpec
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.weights import WeightsFormat, loading_report
from yolo4.weights.darknet.files import read_header, read_weights
from yolo4.weights.darknet.graph import bare_sections, weight_count
from yolo4.weights.darknet.layers import DarknetLayer, darknet_layers

_COUNTS = range(1, 1001)  # class counts to try


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


def load_darknet(model: YOLOv4, path: Path, whole: bool = False) -> str:
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
    reading = _likeliest(
        layers, numbers, (file_count or expected, expected), () if whole else _COUNTS
    )
    has_backbone = not whole and reading.misfit == model.backbone_convolutions
    if reading.misfit is not None and not has_backbone:
        _refuse(layers, numbers.size, reading.misfit, expected, path)
    pairs = list(zip(layers, reading.parts, strict=False))
    skipped = [] if reading.class_count == expected else [n for n, _ in pairs if n.norm is None]
    for layer, part in pairs:
        if layer not in skipped:
            layer.assign(part)
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


@dataclass(frozen=True)
class _Reading:
    """The numbers of a file, read as those of a network with some class count.

    Attributes:
        class_count: the number of classes.
        parts: the numbers of each layer, up to the last complete and plausible one.
        rest: how many numbers follow.
        shows_count: whether all variances of a layer after a head were read, and are plausible.
        misfit: the first implausible layer, counted from 0; None if there is none.
    """

    class_count: int
    parts: list[np.ndarray]
    rest: int
    shows_count: bool
    misfit: int | None


def _likeliest(
    layers: Sequence[DarknetLayer],
    numbers: np.ndarray,
    likely: Iterable[int],
    others: Iterable[int],
) -> _Reading:
    """The most plausible reading of a file, whose length need not determine the class count.

    Args:
        layers: layers of the network.
        numbers: numbers of the file.
        likely: class counts that are accepted if there is no evidence against them.
        others: class counts that are accepted only if there is evidence for them.

    Returns:
        The reading with the first accepted count. If there is none: the layers before the first
        head if the file ends in it or shortly after it, else the reading that goes furthest.
    """
    first_head = next(place for place, layer in enumerate(layers) if layer.norm is None)
    hidden: _Reading | None = None
    implausible: list[tuple[int, _Reading]] = []
    for count in dict.fromkeys((*likely, *others)):
        reading = _read_as(layers, numbers, count)
        if reading.misfit is None:
            if count in likely or reading.shows_count:
                return reading
            hidden = reading
        elif reading.misfit < first_head:
            return reading  # no head comes before it, so other counts would give the same
        else:
            implausible.append((reading.misfit, reading))
    if hidden is None:
        return max(implausible, key=itemgetter(0))[1]
    parts = hidden.parts[:first_head]
    rest = numbers.size - sum(part.size for part in parts)
    return _Reading(hidden.class_count, parts, rest, False, None)


def _read_as(layers: Sequence[DarknetLayer], numbers: np.ndarray, class_count: int) -> _Reading:
    parts, first, shows_count, has_head = [], 0, False, False
    for place, layer in enumerate(layers):
        is_head, filters = layer.norm is None, layer.filters_for(class_count)
        size = filters * layer.size_of_filter
        part = numbers[first : first + size]
        # The layer in which the file ends is checked as far as its variances are there.
        misfit = None if layer.could_be(part) else place
        shows_count |= has_head and not is_head and part.size >= 4 * filters
        if misfit is not None or part.size < size:
            return _Reading(class_count, parts, numbers.size - first, shows_count, misfit)
        has_head |= is_head
        parts.append(part)
        first += size
    rest = numbers.size - first
    return _Reading(class_count, parts, rest, shows_count, len(layers) if rest else None)


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
        if class_count in _COUNTS:
            return (
                f"its size is that of {network.title} with --width 1 and --depth 1 for "
                f"{class_count} classes"
            )
    return None


def _where_it_ends(missing: Sequence[DarknetLayer], reading: _Reading) -> str:
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
    fitting = (known for known in candidates if _class_count(path, known) in _COUNTS)
    return next(fitting, network)


DARKNET = WeightsFormat("Darknet", _recognizes, _class_count, load_darknet, _network)
