"""Reads which network a Darknet `.cfg` describes; refuses any other, naming the section."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nets.networks import NETWORKS, NetworkSpec
from utils.errors import UserError
from utils.printable import printable
from utils.resize import Resize
from yolo4.weights.darknet.files import CfgSection, format_cfg, parse_cfg, read_cfg_sections
from yolo4.weights.darknet.graph import head_levels, sections
from yolo4.weights.darknet.size import depth_of, width_of

_MOST_WORDS = 200  # characters of a value in messages


class DarknetNetwork(NamedTuple):
    """A network as a `.cfg` describes it.

    Attributes:
        network: which one it is.
        class_count: number of classes.
        anchors: `[L * A]` of width and height in input pixels, A for each of the L levels in turn.
        input_size: height and width in pixels.
        scale_x_y: grid sensitivity of each level.
        resize: how Darknet fits images to the input: "stretch" unless [net] has letter_box=1.
        width: channels relative to the network's own `.cfg`.
        depth: residual blocks relative to the network's own `.cfg`.
    """

    network: NetworkSpec
    class_count: int
    anchors: tuple[tuple[float, float], ...]
    input_size: tuple[int, int]
    scale_x_y: tuple[float, ...]
    resize: Resize
    width: float
    depth: float


def read_cfg(
    path: Path, networks: Iterable[NetworkSpec] = tuple(NETWORKS.values())
) -> DarknetNetwork:
    """Read the `.cfg` of a network of any width, depth and number of classes.

    Args:
        path: the file.
        networks: the networks that it may describe.

    Raises:
        UserError: the file cannot be read, or describes another network; names the first section
            that differs from the most similar network, as Darknet counts sections, from 0 and
            without [net].
    """
    sections = read_cfg_sections(path)
    if not sections or sections[0].name != "net":
        raise UserError(f"{path}: not a Darknet network: its first section is not [net]")
    net, *graph = sections
    refusals = []
    for network in networks:
        try:
            return _read_as(network, net, graph, path)
        except _OtherNetworkError as error:
            refusals.append(error)
    raise max(refusals, key=lambda refusal: refusal.section)


class _OtherNetworkError(UserError):
    """A `.cfg` describes another network.

    Args:
        message: the difference.
        section: the first section that differs.
    """

    def __init__(self, message: str, section: int) -> None:
        super().__init__(message)
        self.section = section


def _read_as(
    network: NetworkSpec, net: CfgSection, graph: Sequence[CfgSection], path: Path
) -> DarknetNetwork:
    """The sections, read as those of a network.

    Raises:
        _OtherNetworkError: they describe another network.
        UserError: a value is not one that any network could have.
    """
    graph = _with_masks_in_order(graph, network)
    detections = [section for section in graph if section.name == "yolo"]
    depth = depth_of(graph, network)
    described = DarknetNetwork(
        network=network,
        class_count=detections[0].whole("classes", 20) if detections else 1,
        anchors=_anchors(detections, network),
        input_size=(net.whole("height", 0), net.whole("width", 0)),
        scale_x_y=_scales(detections, network),
        resize="letterbox" if net.whole("letter_box", 0) else "stretch",
        width=width_of(graph, network, depth),
        depth=depth,
    )
    _compare(graph, described, path)
    _check_input(net, network)
    return described


def _with_masks_in_order(graph: Sequence[CfgSection], network: NetworkSpec) -> list[CfgSection]:
    """The sections, with the anchors of each level written out if the levels share some."""
    levels = head_levels(network)
    masks = [section.wholes("mask") for section in graph if section.name == "yolo"]
    if masks != [network.masks[level] for level in levels]:
        return list(graph)  # a file whose levels have separate anchors, or another network
    left = iter(levels)
    return [
        _with_own_mask(section, next(left), network) if section.name == "yolo" else section
        for section in graph
    ]


def _with_own_mask(section: CfgSection, level: int, network: NetworkSpec) -> CfgSection:
    sides = section.numbers("anchors")
    if len(sides) != 2 * len(network.cfg_anchors):
        return section
    pairs = list(zip(sides[::2], sides[1::2], strict=True))
    anchors = ",".join(repr(side) for pair in network.by_level(pairs) for side in pair)
    mask = ",".join(map(str, network.own_masks[level]))
    return dataclasses.replace(
        section, options={**section.options, "mask": mask, "anchors": anchors}
    )


def _anchors(
    detections: Sequence[CfgSection], network: NetworkSpec
) -> tuple[tuple[float, float], ...]:
    """The anchors; if their number is wrong, any, since the comparison then reports it."""
    sides = detections[0].numbers("anchors") if detections else ()
    if not all(0 < side < math.inf for side in sides):
        raise UserError(
            f"{detections[0].where} has anchors={_words(sides)}; all must be above 0, and finite"
        )
    if len(sides) != 2 * len(network.anchors):
        return network.anchors
    return tuple(zip(sides[::2], sides[1::2], strict=True))


def _scales(detections: Sequence[CfgSection], network: NetworkSpec) -> tuple[float, ...]:
    """`scale_x_y` of each level; if their number is wrong, any: the comparison then reports it."""
    scales = [section.numbers("scale_x_y") or (1.0,) for section in detections]
    for section, values in zip(detections, scales, strict=True):
        if len(values) != 1 or not 1 <= values[0] < math.inf:
            raise UserError(
                f"{section.where} has scale_x_y={_words(values)}; expected one number, 1 or more"
            )
    if len(scales) != network.levels:
        return network.scale_x_y
    in_order = zip(head_levels(network), scales, strict=True)
    return tuple(value for _, (value,) in sorted(in_order))


def _check_input(net: CfgSection, network: NetworkSpec) -> None:
    multiple = network.input_multiple
    for option in ("width", "height"):
        pixels = net.whole(option, 0)
        if pixels <= 0 or pixels % multiple:
            raise UserError(
                f"{net.where} has {option}={pixels}; it must be a multiple of {multiple}"
            )
    if (channels := net.whole("channels", 3)) != 3:
        raise UserError(
            f"{net.where} has channels={channels}; {network.title} has 3: red, green, blue"
        )


def _compare(graph: Sequence[CfgSection], described: DarknetNetwork, path: Path) -> None:
    """Refuse a graph that is not that of the network with these settings."""
    network, count, anchors, shape, scales, _, width, depth = described
    title = network.title
    right_graph = sections(network, count, anchors, scales, shape, width, depth)[1:]
    texts = parse_cfg(format_cfg(right_graph), path)
    for number, (section, right_section) in enumerate(zip(graph, texts, strict=False)):
        where = f"{path}, line {section.line}: section {number}"
        if section.name != right_section.name:
            raise _OtherNetworkError(
                f"{where} is [{section.name}], where {title} has [{right_section.name}]", number
            )
        values, right_values = _meaning(section, number), _meaning(right_section, number)
        for option, value in values.items():
            if value != right_values[option]:
                raise _OtherNetworkError(
                    f"{where} [{section.name}] has {option} {_words(value)}, "
                    f"where {title} has {_words(right_values[option])}",
                    number,
                )
    if len(graph) != len(texts):
        raise _OtherNetworkError(
            f"{path}: {len(graph)} sections after [net], where {title} has {len(texts)}",
            min(len(graph), len(texts)),
        )


def _meaning(section: CfgSection, number: int) -> dict[str, Any]:
    """What a section computes, with Darknet's defaults and absolute section numbers."""
    whole, options = section.whole, section.options

    def absolute(option: str) -> tuple[int, ...]:
        return tuple(n if n >= 0 else number + n for n in section.wholes(option))

    if section.name == "convolutional":
        size = whole("size", 1)
        return {
            "batch_normalize": whole("batch_normalize", 0),
            "filters": whole("filters", 1),
            "size": size,
            "stride": whole("stride", 1),
            "padding": size // 2 if whole("pad", 0) else whole("padding", 0),
            "groups": whole("groups", 1),
            "dilation": whole("dilation", 1),
            "activation": options.get("activation", "logistic"),
        }
    if section.name == "route":
        return {
            "layers": absolute("layers"),
            "groups": whole("groups", 1),
            "group_id": whole("group_id", 0),
        }
    if section.name == "shortcut":
        return {"from": absolute("from"), "activation": options.get("activation", "linear")}
    if section.name == "maxpool":
        size = whole("size", whole("stride", 1))
        return {"size": size, "stride": whole("stride", 1), "padding": whole("padding", size - 1)}
    if section.name == "upsample":
        return {"stride": whole("stride", 2)}
    return {
        "mask": section.wholes("mask"),
        "classes": whole("classes", 20),
        "number of anchors": f"{len(section.numbers('anchors')) / 2:g}",
        "anchors": section.numbers("anchors"),
        "new_coords": whole("new_coords", 0),
    }


def _words(value: object) -> str:
    words = ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
    return printable(words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]}...")
