"""What is measured here and in other libraries: a network, a job, and its arithmetic."""

import dataclasses
from typing import Literal

from benchmarks.training.plain import StepOptions
from nets.networks import NETWORKS

Job = Literal["training", "forward"]
Features = tuple[int, int, int]
_PASSES = {"forward": 1, "training": 3}  # training also computes two gradients of as many products


@dataclasses.dataclass(frozen=True)
class Work(StepOptions):
    """A job of a network in a precision.

    Attributes:
        job: a training step, or the logits of a batch.
        precision: "float32" or "bfloat16", in mixed precision.
    """

    job: Job = "training"
    precision: str = "float32"

    @property
    def flops(self) -> float:
        """Floating-point operations of a step in convolutions, an addition and a product each."""
        return _PASSES[self.job] * self.batch_size * forward_flops(self)


def forward_flops(options: StepOptions) -> int:
    """Floating-point operations of the convolutions for an image, two for each product."""
    network = NETWORKS[options.network]
    graph = _FlopGraph(network.anchors_per_level * (5 + options.classes))
    images = (options.input_size, options.input_size, 3)
    features = network.backbone(graph, images, options.width, options.depth)
    network.neck(graph, features, options.width)
    return graph.flops


class _FlopGraph:
    """A `nets.networks.spec.GraphBuilder` of shapes, height, width and channels, that counts."""

    def __init__(self, head_filters: int) -> None:
        self.flops = 0
        self._head_filters = head_filters

    def conv(
        self, x: Features, filters: int, kernel: int, activation: str, stride: int = 1
    ) -> Features:
        height, width, channels = x
        shape = (height // stride, width // stride, filters)
        self.flops += 2 * kernel**2 * channels * shape[0] * shape[1] * filters
        return shape

    def add(self, x: Features, y: Features) -> Features:
        return x

    def concat(self, *xs: Features) -> Features:
        return (*xs[0][:2], sum(channels for *_, channels in xs))

    def half(self, x: Features) -> Features:
        return (*x[:2], x[2] // 2)

    def max_pool(self, x: Features) -> Features:
        return (x[0] // 2, x[1] // 2, x[2])

    def pyramid_pooling(self, x: Features) -> Features:
        return (*x[:2], 4 * x[2])

    def upsample(self, x: Features) -> Features:
        return (2 * x[0], 2 * x[1], x[2])

    def head(self, x: Features, level: int) -> Features:
        return self.conv(x, self._head_filters, 1, "linear")
