"""The sections of a network's `.cfg`, for any width, depth and number of classes."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from nets.networks import NetworkSpec

_IMAGES = -1  # the number of the section before the first one


class Section(NamedTuple):
    """A section of a `.cfg`.

    Attributes:
        name: "net", "convolutional", "route", ...
        options: by name; texts, numbers, or tuples of numbers.
    """

    name: str
    options: dict[str, Any]


def sections(
    network: NetworkSpec,
    class_count: int,
    anchors: Sequence[Sequence[float]],
    scale_x_y: Sequence[float],
    input_shape: tuple[int, int],
    width: float = 1.0,
    depth: float = 1.0,
    letter_box: bool = False,
) -> list[Section]:
    """The sections of a network; those of its `.cfg` if width and depth are 1.

    Args:
        network: the network.
        class_count: number of classes, C.
        anchors: `[L * A, 2]`, width and height in input pixels, A for each of the L levels in turn.
        scale_x_y: grid sensitivity of each level.
        input_shape: height and width in pixels.
        width: channels relative to the network's `.cfg`.
        depth: residual blocks relative to the network's `.cfg`.
        letter_box: whether Darknet is to keep the aspect ratio of images; by default it does not.

    Returns:
        [net], then the sections that Darknet counts from 0.
    """
    graph = SectionGraph(network, class_count, anchors, scale_x_y)
    network.neck(graph, network.backbone(graph, _IMAGES, width, depth), width)
    net = {
        "batch": 1,
        "subdivisions": 1,
        "width": input_shape[1],
        "height": input_shape[0],
        "channels": 3,
        **({"letter_box": 1} if letter_box else {}),
    }
    return [Section("net", net), *graph.sections]


def bare_sections(
    network: NetworkSpec, class_count: int, width: float, depth: float
) -> list[Section]:
    """As `sections`, with arbitrary values for what changes neither the graph nor any shape."""
    shape = (network.input_multiple, network.input_multiple)
    scales = network.scale_x_y
    return sections(network, class_count, network.anchors, scales, shape, width, depth)


def head_levels(network: NetworkSpec) -> list[int]:
    """The level of each [yolo] section, in the order of the `.cfg`."""
    masks = [options["mask"] for name, options in bare_sections(network, 1, 1, 1) if name == "yolo"]
    return [network.own_masks.index(mask) for mask in masks]


class SectionGraph:
    """A `nets.networks.spec.GraphBuilder` of sections, whose values are section numbers.

    A section reads the one before it, unless it says otherwise. If an operation reads another one,
    a [route] to that is inserted.

    Args:
        network: see `sections`, as for the other arguments.
        class_count: number of classes.
        anchors: anchors of all levels.
        scale_x_y: grid sensitivity of each level.

    Attributes:
        sections: the sections so far, without [net].
    """

    def __init__(
        self,
        network: NetworkSpec,
        class_count: int,
        anchors: Sequence[Sequence[float]],
        scale_x_y: Sequence[float],
    ) -> None:
        self.sections: list[Section] = []
        self._masks = network.own_masks
        self._class_count = class_count
        self._anchors = anchors
        self._scale_x_y = scale_x_y

    def _append(self, name: str, **options: object) -> int:
        self.sections.append(Section(name, options))
        return len(self.sections) - 1

    def _read(self, x: int) -> None:
        """Make `x` the section that the next one reads."""
        if x != len(self.sections) - 1:
            self._route(x)

    def _route(self, *xs: int, **options: object) -> int:
        here = len(self.sections)
        return self._append("route", layers=tuple(x - here for x in xs), **options)

    def _convolution(
        self, x: int, filters: int, size: int, stride: int, activation: str, **norm: int
    ) -> int:
        self._read(x)
        shape = {"filters": filters, "size": size, "stride": stride, "pad": 1}
        return self._append("convolutional", **norm, **shape, activation=activation)

    def conv(self, x: int, filters: int, kernel: int, activation: str, stride: int = 1) -> int:
        """A convolution with batch normalization."""
        return self._convolution(x, filters, kernel, stride, activation, batch_normalize=1)

    def add(self, x: int, y: int) -> int:
        """A sum."""
        self._read(y)
        return self._append("shortcut", **{"from": x - len(self.sections)}, activation="linear")

    def concat(self, *xs: int) -> int:
        """A concatenation of channels."""
        return self._route(*xs)

    def half(self, x: int) -> int:
        """The second half of the channels: the second of two groups."""
        return self._route(x, groups=2, group_id=1)

    def max_pool(self, x: int) -> int:
        """Maximum over 2x2 pixels with stride 2."""
        self._read(x)
        return self._append("maxpool", stride=2, size=2)

    def pyramid_pooling(self, x: int) -> int:
        """Maxima over 5x5, 9x9 and 13x13 pixels, concatenated with `x`."""
        pools = []
        for size in (5, 9, 13):
            self._read(x)
            pools.append(self._append("maxpool", stride=1, size=size))
        return self._route(*reversed(pools), x)

    def upsample(self, x: int) -> int:
        """Each pixel repeated to 2x2."""
        self._read(x)
        return self._append("upsample", stride=2)

    def head(self, x: int, level: int) -> int:
        """A convolution without batch normalization, and [yolo]."""
        mask = self._masks[level]
        filters = len(mask) * (5 + self._class_count)
        self._convolution(x, filters, 1, 1, "linear")
        return self._append(
            "yolo",
            mask=mask,
            anchors=tuple(side for anchor in self._anchors for side in anchor),
            classes=self._class_count,
            num=len(self._anchors),
            scale_x_y=self._scale_x_y[level],
        )


def weight_count(graph: Sequence[Section]) -> int:
    """The number of weights of a network, moving statistics included.

    Args:
        graph: what `sections` returns.
    """
    total, channels = 0, []
    for name, options in graph[1:]:
        inputs = channels[-1] if channels else graph[0].options["channels"]
        outputs = inputs
        if name == "convolutional":
            vectors = 4 if "batch_normalize" in options else 1
            outputs = options["filters"]
            total += outputs * (vectors + inputs * options["size"] ** 2)
        elif name == "route":
            outputs = sum(channels[number] for number in options["layers"])
            outputs //= options.get("groups", 1)
        channels.append(outputs)
    return total
