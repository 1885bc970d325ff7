"""Keeps the outermost layers of an OpenVINO model in float32 while the rest runs in bfloat16."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from yolo4.formats.libraries import openvino_core

Node = Any  # an operation of OpenVINO's graph


def mark_float32_layers(path: Path) -> None:
    """Mark the first and last convolutions of a model as layers to compute in float32.

    Rounded to bfloat16, the weights of the first convolution no longer cancel out in bright areas
    without contrast: that is most of the network's error. The last convolutions compute logits and
    sides of boxes, and no later layer averages out their error. Together they are 1.5% of YOLOv4.

    Args:
        path: an `.xml` file, which is overwritten.
    """
    model = openvino_core().read_model(path)
    inputs = (parameter.get_node() for parameter in model.inputs)
    outputs = (result.get_node() for result in model.outputs)
    names = {
        *_nearest_convolutions(inputs, _consumers),
        *_nearest_convolutions(outputs, _producers),
    }
    tree = ElementTree.parse(path)
    for layer in tree.iterfind("layers/layer"):
        if layer.get("name") in names and layer.get("type") == "Convolution":
            attributes = layer.find("rt_info")
            if attributes is None:
                attributes = ElementTree.SubElement(layer, "rt_info")
            ElementTree.SubElement(attributes, "attribute", name="precise", version="0")
    tree.write(path, encoding="utf-8", xml_declaration=True)


def _nearest_convolutions(
    start: Iterable[Node], neighbors: Callable[[Node], Iterator[Node]]
) -> Iterator[str]:
    """Names of the convolutions that are reached without passing another one."""
    waiting, seen = list(start), set()
    while waiting:
        node = waiting.pop()
        name = node.get_friendly_name()
        if name in seen:
            continue
        seen.add(name)
        if node.get_type_name() == "Convolution":
            yield name
        else:
            waiting.extend(neighbors(node))


def _consumers(node: Node) -> Iterator[Node]:
    return (entry.get_node() for output in node.outputs() for entry in output.get_target_inputs())


def _producers(node: Node) -> Iterator[Node]:
    return (entry.get_source_output().get_node() for entry in node.inputs())
