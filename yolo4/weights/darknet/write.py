"""Writes a network for Darknet."""

from collections.abc import Sequence
from pathlib import Path

from nets.yolov4 import YOLOv4
from utils.files.writing import write_atomically
from yolo4.weights.darknet.files import format_cfg, write_weights
from yolo4.weights.darknet.graph import sections
from yolo4.weights.darknet.layers import darknet_layers


def write_darknet(
    path: Path,
    model: YOLOv4,
    anchors: Sequence[Sequence[float]],
    scale_x_y: Sequence[float],
    input_shape: tuple[int, int],
    class_names: Sequence[str],
    seen: int = 0,
    letter_box: bool = False,
) -> tuple[Path, Path, Path]:
    """Write a network for Darknet and everything else that reads its files.

    Args:
        path: the weights; the other two files are written beside it under the same name.
        model: the network.
        anchors: `[L * A, 2]`, width and height in input pixels, A for each of the L levels in turn.
        scale_x_y: grid sensitivity of each level.
        input_shape: height and width in pixels.
        class_names: names of the classes.
        seen: images that the network was trained on.
        letter_box: whether Darknet is to keep the aspect ratio of images.

    Returns:
        The `.weights`, `.cfg` and `.names` files.
    """
    settings = model.arguments
    size = (settings["width"], settings["depth"])
    count = settings["class_count"]
    graph = sections(model.network, count, anchors, scale_x_y, input_shape, *size, letter_box)
    arrays = (array for layer in darknet_layers(model) for array in layer.arrays())
    cfg, names = path.with_suffix(".cfg"), path.with_suffix(".names")
    write_weights(path, arrays, seen)
    write_atomically(cfg, format_cfg(graph))
    write_atomically(names, "".join(f"{name}\n" for name in class_names))
    return path, cfg, names
