"""The sections of YOLOv4's `.cfg`, for any width, depth and number of classes."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nets.cspdarknet53 import STAGES, repeats, scaled
from nets.yolov4 import ANCHORS_PER_LEVEL


class Section(NamedTuple):
    """A section of a `.cfg`.

    Attributes:
        name: "net", "convolutional", "route", ...
        options: by name; texts, numbers, or tuples of numbers.
    """

    name: str
    options: dict[str, Any]


def sections(
    class_count: int,
    anchors: Sequence[Sequence[float]],
    scale_x_y: Sequence[float],
    input_shape: tuple[int, int],
    width: float = 1.0,
    depth: float = 1.0,
) -> list[Section]:
    """The sections of YOLOv4; of yolov4.cfg where width and depth are 1.

    Args:
        class_count: number of classes.
        anchors: `[9, 2]`, width and height in input pixels.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
        input_shape: height and width in pixels.
        width: channels relative to YOLOv4.
        depth: residual blocks relative to YOLOv4.

    Returns:
        [net], then those that Darknet counts from 0.
    """
    graph = _Graph(scaled(width))
    c3, c4, _ = graph.backbone(depth)
    graph.neck(c3, c4, _Heads(class_count, anchors, scale_x_y))
    size = {"width": input_shape[1], "height": input_shape[0]}
    return [Section("net", {"batch": 1, "subdivisions": 1, **size, "channels": 3}), *graph.sections]


class _Heads(NamedTuple):
    class_count: int
    anchors: Sequence[Sequence[float]]
    scale_x_y: Sequence[float]

    @property
    def filters(self) -> int:
        return ANCHORS_PER_LEVEL * (5 + self.class_count)

    def detection(self, level: int) -> dict[str, Any]:
        """Options of the detection layer of a level."""
        first = level * ANCHORS_PER_LEVEL
        return {
            "mask": tuple(range(first, first + ANCHORS_PER_LEVEL)),
            "anchors": tuple(side for anchor in self.anchors for side in anchor),
            "classes": self.class_count,
            "num": len(self.anchors),
            "scale_x_y": self.scale_x_y[level],
        }


class _Graph:
    """Sections in the making. What adds some gives the number of the last one.

    Args:
        channels: scales a number of channels.
    """

    def __init__(self, channels: Callable[[int], int]) -> None:
        self.channels = channels
        self.sections: list[Section] = []

    def add(self, name: str, **options: object) -> int:
        self.sections.append(Section(name, options))
        return len(self.sections) - 1

    def conv(self, filters: int, size: int, activation: str, stride: int = 1) -> int:
        norm = {} if activation == "linear" else {"batch_normalize": 1}
        options = {"filters": filters, "size": size, "stride": stride, "pad": 1}
        return self.add("convolutional", **norm, **options, activation=activation)

    def route(self, *numbers: int) -> int:
        """What the sections of these numbers give, one beside the other."""
        here = len(self.sections)
        return self.add("route", layers=tuple(number - here for number in numbers))

    def backbone(self, depth: float) -> list[int]:
        """CSPDarknet53: c3, c4, c5."""
        self.conv(self.channels(32), 3, "mish")
        stages = [
            self.stage(self.channels(filters), repeats(blocks, depth), split=filters > 64)
            for filters, blocks in STAGES
        ]
        return stages[2:]

    def stage(self, filters: int, blocks: int, split: bool) -> int:
        """As `nets.blocks.csp_stage`."""
        path = filters // 2 if split else filters
        down = self.conv(filters, 3, "mish", stride=2)
        shortcut = self.conv(path, 1, "mish")
        self.route(down)
        x = self.conv(path, 1, "mish")
        for _ in range(blocks):
            self.conv(path if split else filters // 2, 1, "mish")
            self.conv(path, 3, "mish")
            x = self.add("shortcut", **{"from": x - len(self.sections)}, activation="linear")
        x = self.conv(path, 1, "mish")
        self.route(x, shortcut)
        return self.conv(filters, 1, "mish")

    def neck(self, c3: int, c4: int, heads: _Heads) -> None:
        """As `nets.panet.panet`, which begins at the last section, c5."""
        self.convs(512, 1024, 512)
        self.pyramid_pooling()
        n5 = self.convs(512, 1024, 512)
        n4 = self.merge_up(c4, 256)
        self.merge_up(c3, 128)
        self.head(0, 256, heads)
        n4 = self.merge_down(n4, 256)
        self.head(1, 512, heads)
        self.merge_down(n5, 512)
        self.head(2, 1024, heads)

    def convs(self, *filters: int) -> int:
        """Convolutions of 1x1 and 3x3 in turn."""
        for place, number in enumerate(filters):
            x = self.conv(self.channels(number), 3 if place % 2 else 1, "leaky")
        return x

    def five(self, filters: int) -> int:
        return self.convs(filters, 2 * filters, filters, 2 * filters, filters)

    def pyramid_pooling(self) -> int:
        x = len(self.sections) - 1
        pools = []
        for size in (5, 9, 13):
            if pools:
                self.route(x)
            pools.append(self.add("maxpool", stride=1, size=size))
        return self.route(*reversed(pools), x)

    def merge_up(self, lateral: int, filters: int) -> int:
        self.convs(filters)
        deep = self.add("upsample", stride=2)
        self.route(lateral)
        self.route(self.convs(filters), deep)
        return self.five(filters)

    def merge_down(self, deep: int, filters: int) -> int:
        shallow = self.conv(self.channels(filters), 3, "leaky", stride=2)
        self.route(shallow, deep)
        return self.five(filters)

    def head(self, level: int, filters: int, heads: _Heads) -> None:
        """A head; what comes after it goes on with what it was put on."""
        x = len(self.sections) - 1
        self.conv(self.channels(filters), 3, "leaky")
        self.conv(heads.filters, 1, "linear")
        self.add("yolo", **heads.detection(level))
        if level < 2:
            self.route(x)


def weight_count(graph: Sequence[Section]) -> int:
    """How many numbers the weights of a network have.

    Args:
        graph: what `sections` gives.
    """
    total, channels = 0, []
    for name, options in graph[1:]:
        given = channels[-1] if channels else graph[0].options["channels"]
        if name == "convolutional":
            vectors = 4 if "batch_normalize" in options else 1
            total += options["filters"] * (vectors + given * options["size"] ** 2)
            given = options["filters"]
        elif name == "route":
            given = sum(channels[number] for number in options["layers"])
        channels.append(given)
    return total
