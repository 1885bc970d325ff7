"""What a Darknet `.cfg` says about a YOLOv4; any other network is refused, by section."""

import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from nets.cspdarknet53 import STAGES, repeats, scaled
from nets.decode import STRIDES
from utils.anchors import ANCHOR_COUNT
from utils.errors import UserError
from yolo4.weights.darknet.files import CfgSection, format_cfg, parse_cfg, read_cfg_sections
from yolo4.weights.darknet.graph import sections

_STEM = 32  # channels of the first convolution
_LEAST, _MOST = 0.05, 4.0  # width and depth that the settings allow


class DarknetNetwork(NamedTuple):
    """A YOLOv4 as a `.cfg` describes it.

    Attributes:
        class_count: number of classes.
        anchors: nine of width and height in input pixels.
        input_size: height and width in pixels.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
        width: channels relative to YOLOv4.
        depth: residual blocks relative to YOLOv4.
    """

    class_count: int
    anchors: tuple[tuple[float, float], ...]
    input_size: tuple[int, int]
    scale_x_y: tuple[float, float, float]
    width: float
    depth: float


def read_cfg(path: Path) -> DarknetNetwork:
    """Read the `.cfg` of a YOLOv4 of any width, depth and number of classes.

    Raises:
        UserError: the file can't be read, or is of another network; names the first section that
            differs as Darknet counts them, from 0 and without [net].
    """
    found = read_cfg_sections(path)
    if not found or found[0].name != "net":
        raise UserError(f"{path}: not a Darknet network: its first section is not [net]")
    net, *graph = found
    detections = [section for section in graph if section.name == "yolo"]
    network = DarknetNetwork(
        class_count=detections[0].whole("classes", 20) if detections else 1,
        anchors=_anchors(detections),
        input_size=(net.whole("height", 0), net.whole("width", 0)),
        scale_x_y=_scales(detections),
        width=_width(graph),
        depth=_depth(graph),
    )
    _check_input(net)
    _compare(graph, network, path)
    return network


def _anchors(detections: Sequence[CfgSection]) -> tuple[tuple[float, float], ...]:
    """The anchors; where there are not nine, any nine, so that it is told in the comparison."""
    sides = detections[0].numbers("anchors") if detections else ()
    if not all(0 < side < math.inf for side in sides):
        raise UserError(
            f"{detections[0].where} has anchors={_words(sides)}; all must be above 0, and finite"
        )
    if len(sides) != 2 * ANCHOR_COUNT:
        return ((0.0, 0.0),) * ANCHOR_COUNT
    return tuple(zip(sides[::2], sides[1::2], strict=True))


def _scales(detections: Sequence[CfgSection]) -> tuple[float, float, float]:
    """One of each detection; where there are not three of them the comparison tells it."""
    scales = [section.numbers("scale_x_y") or (1.0,) for section in detections]
    for section, found in zip(detections, scales, strict=True):
        if len(found) != 1 or not 1 <= found[0] < math.inf:
            raise UserError(
                f"{section.where} has scale_x_y={_words(found)}; expected one number, 1 or more"
            )
    return tuple(found[0] for found in scales) if len(scales) == len(STRIDES) else (1.0, 1.0, 1.0)


def _width(graph: Sequence[CfgSection]) -> float:
    """The width that gives the channels of the first convolution and of each stage."""
    halving = [stage[0].whole("filters", 1) for stage in _stages(graph)]
    wanted = [(_STEM, graph[0].whole("filters", 1) if graph else 0)]
    wanted += zip((channels for channels, _ in STAGES), halving, strict=False)
    return _shortest(lambda width: all(scaled(width)(base) == found for base, found in wanted))


def _depth(graph: Sequence[CfgSection]) -> float:
    """The depth that gives the number of residual blocks of each stage."""
    found = [sum(section.name == "shortcut" for section in stage) for stage in _stages(graph)]
    wanted = list(zip((blocks for _, blocks in STAGES), found, strict=False))
    return _shortest(lambda depth: all(repeats(base, depth) == found for base, found in wanted))


def _stages(graph: Sequence[CfgSection]) -> list[Sequence[CfgSection]]:
    """The backbone's stages, each from its convolution of stride 2 on."""
    convolutions = (i for i, section in enumerate(graph) if section.name == "convolutional")
    starts = [i for i in convolutions if graph[i].whole("stride", 1) == 2]
    pairs = itertools.pairwise([*starts, len(graph)])
    return [graph[first:last] for first, last in itertools.islice(pairs, len(STAGES))]


def _shortest(fits: Callable[[float], bool]) -> float:
    """The shortest decimal that fits and that the settings allow.

    Where none does, 1: the comparison with YOLOv4 itself then tells what differs.
    """
    for digits in range(5):
        for number in range(1, round(_MOST * 10**digits) + 1):
            value = number / 10**digits
            if value >= _LEAST and fits(value):
                return value
    return 1.0


def _check_input(net: CfgSection) -> None:
    for option in ("width", "height"):
        pixels = net.whole(option, 0)
        if pixels <= 0 or pixels % STRIDES[-1]:
            raise UserError(
                f"{net.where} has {option}={pixels}; it must be a multiple of {STRIDES[-1]}"
            )
    if (channels := net.whole("channels", 3)) != 3:
        raise UserError(f"{net.where} has channels={channels}; YOLOv4 has 3: red, green, blue")


def _compare(graph: Sequence[CfgSection], network: DarknetNetwork, path: Path) -> None:
    """Refuse a graph that is not that of YOLOv4 with these settings."""
    count, anchors, shape, scales, width, depth = network
    yolov4 = sections(count, anchors, scales, shape, width, depth)[1:]
    texts = parse_cfg(format_cfg(yolov4), path)
    for number, (found, wanted) in enumerate(zip(graph, texts, strict=False)):
        where = f"{path}, line {found.line}: section {number}"
        if found.name != wanted.name:
            raise UserError(f"{where} is [{found.name}], where YOLOv4 has [{wanted.name}]")
        pairs = zip(_meaning(found, number).items(), _meaning(wanted, number).values(), strict=True)
        for (option, value), right in pairs:
            if value != right:
                raise UserError(
                    f"{where} [{found.name}] has {option} {_words(value)}, "
                    f"where YOLOv4 has {_words(right)}"
                )
    if len(graph) != len(texts):
        raise UserError(f"{path}: {len(graph)} sections after [net], where YOLOv4 has {len(texts)}")


def _meaning(section: CfgSection, number: int) -> dict[str, Any]:
    """What a section computes, with Darknet's defaults; sections it reads as absolute numbers."""
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
        return {"layers": absolute("layers"), "groups": whole("groups", 1)}
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
    return ",".join(f"{part:g}" for part in value) if isinstance(value, tuple) else str(value)
