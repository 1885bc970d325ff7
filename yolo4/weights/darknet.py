"""Darknet's `.weights` into a network, and a network out as `.weights`, `.cfg` and `.names`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nets.darknet.graph import sections, weight_count
from nets.darknet.layers import DarknetLayer, darknet_layers
from nets.yolov4 import ANCHORS_PER_LEVEL, YOLOv4
from utils.darknet import format_cfg, read_weights, write_weights
from utils.errors import UserError
from utils.files import write_whole

_BOX_NUMBERS = 5
# The number of weights does not depend on these.
_SOME_ANCHORS, _SOME_SCALES, _SOME_SHAPE = ((0, 0),) * 9, (1, 1, 1), (32, 32)


def darknet_class_count(numbers: int, width: float = 1.0, depth: float = 1.0) -> int | None:
    """The class count with which a network of this width and depth has so many numbers in all.

    None where there is no such class count, as for a file that was cut.
    """
    none, one = (
        weight_count(sections(count, _SOME_ANCHORS, _SOME_SCALES, _SOME_SHAPE, width, depth))
        for count in (0, 1)
    )
    class_count, rest = divmod(numbers - none, one - none)
    return class_count if class_count > 0 and rest == 0 else None


def load_darknet(model: YOLOv4, path: Path, whole: bool = False) -> str:
    """Fill a network from a Darknet file, as far as the file goes.

    Heads for another class count stay as they are, and so do the layers that a cut file lacks.

    Args:
        model: the network.
        path: the file.
        whole: refuse a file that does not fill the whole network.

    Returns:
        One or two lines for the log.

    Raises:
        UserError: the file is not Darknet's, or it is of another network; nothing was loaded.
    """
    _, numbers = read_weights(path)
    layers, settings = darknet_layers(model), model.arguments
    wanted = settings["class_count"]
    found = darknet_class_count(numbers.size, settings["width"], settings["depth"])
    _check_size(layers, numbers.size, found, wanted, whole, path)
    parts = _split(layers, numbers, wanted if found is None else found)
    pairs = list(zip(layers, parts, strict=False))
    for layer, part in pairs:
        if not layer.could_be(part):
            raise UserError(
                f"{path}: not of this network: where the variances of {layer.name} should stand "
                "are negative numbers; is it of another network, --width, --depth or class count?"
            )
    left = [] if found in (None, wanted) else [layer for layer in layers if layer.norm is None]
    for layer, part in pairs:
        if layer not in left:
            layer.assign(part)
    text = f"loaded {len(pairs) - len(left)} of {len(layers)} convolutions from {path}"
    if left:
        names = ", ".join(layer.name for layer in left)
        text += f"\nnot loaded, as it is for {found} classes, not {wanted}: {names}"
    if missing := layers[len(pairs) :]:
        text += _where_it_ends(missing, numbers.size - sum(part.size for part in parts))
    return text


def write_darknet(
    path: Path,
    model: YOLOv4,
    anchors: Sequence[Sequence[float]],
    scale_x_y: Sequence[float],
    input_shape: tuple[int, int],
    class_names: Sequence[str],
    seen: int = 0,
) -> tuple[Path, Path, Path]:
    """Write a network for Darknet and all that reads its files.

    Args:
        path: of the weights; the other two files stand beside it under the same name.
        model: the network.
        anchors: `[9, 2]`, width and height in input pixels.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
        input_shape: height and width in pixels.
        class_names: names of the classes.
        seen: images that the network was trained on.

    Returns:
        The `.weights`, `.cfg` and `.names` files.
    """
    settings = model.arguments
    size = (settings["width"], settings["depth"])
    graph = sections(settings["class_count"], anchors, scale_x_y, input_shape, *size)
    arrays = (array for layer in darknet_layers(model) for array in layer.arrays())
    cfg, names = path.with_suffix(".cfg"), path.with_suffix(".names")
    write_weights(path, arrays, seen)
    write_whole(cfg, format_cfg(graph))
    write_whole(names, "".join(f"{name}\n" for name in class_names))
    return path, cfg, names


def _check_size(
    layers: Sequence[DarknetLayer],
    size: int,
    found: int | None,
    wanted: int,
    whole: bool,
    path: Path,
) -> None:
    """Refuse files that are too short or too long, or not for the class count where they must."""
    total = sum(layer.filters * layer.size_of_filter for layer in layers)
    first = layers[0].filters * layers[0].size_of_filter
    if size < first:
        raise UserError(f"{path}: {size:,} numbers, but the first layer alone has {first:,}")
    if found is None and (size > total or whole):
        raise UserError(
            f"{path}: {size:,} numbers, but this network for {wanted} classes has {total:,}; "
            "is it of another network, --width or --depth?"
        )
    if whole and found != wanted:
        raise UserError(f"{path} is for {found} classes, but this network for {wanted}")


def _split(
    layers: Sequence[DarknetLayer], numbers: np.ndarray, class_count: int
) -> list[np.ndarray]:
    """The part of each layer, in a file for so many classes, up to the last that is complete."""
    parts, first = [], 0
    for layer in layers:
        is_head = layer.norm is None
        filters = ANCHORS_PER_LEVEL * (_BOX_NUMBERS + class_count) if is_head else layer.filters
        last = first + filters * layer.size_of_filter
        if last > numbers.size:
            break
        parts.append(numbers[first:last])
        first = last
    return parts


def _where_it_ends(missing: Sequence[DarknetLayer], rest: int) -> str:
    inside = f" {rest:,} numbers into {missing[0].name}" if rest else ""
    names = " to ".join(dict.fromkeys((missing[0].name, missing[-1].name)))
    return f"\nthe file ends{inside or ' there'}; not loaded: {names}"
