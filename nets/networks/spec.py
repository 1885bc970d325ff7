"""The description of a network: the operations of its graph, and its properties."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

A = TypeVar("A")
T = TypeVar("T")


class GraphBuilder(Protocol[T]):
    """Builds one form of a network: Keras layers, or the sections of a Darknet `.cfg`.

    A description calls these methods in the order of the network's `.cfg`, which is also the order
    of the weights in a file. Values of type `T` stand for features `[B, H, W, C]`.
    """

    def conv(self, x: T, filters: int, kernel: int, activation: str, stride: int = 1) -> T:
        """Convolution without bias, batch normalization, and "mish" or "leaky" activation."""
        ...

    def add(self, x: T, y: T) -> T:
        """Sum of features of equal shape; `y` is the more recent one."""
        ...

    def concat(self, *xs: T) -> T:
        """Concatenation of channels."""
        ...

    def half(self, x: T) -> T:
        """The second half of the channels."""
        ...

    def max_pool(self, x: T) -> T:
        """Maximum over 2x2 pixels with stride 2."""
        ...

    def pyramid_pooling(self, x: T) -> T:
        """Maxima over 13x13, 9x9 and 5x5 pixels, concatenated with `x` in this order.

        Spatial pyramid pooling (He et al. 2015) as in yolov4.cfg.
        """
        ...

    def upsample(self, x: T) -> T:
        """Each pixel repeated to 2x2."""
        ...

    def head(self, x: T, level: int) -> T:
        """A 1x1 convolution with bias that makes the logits of a level, 0 for the finest one."""
        ...


def scaled(width: float) -> Callable[[int], int]:
    """A function that scales a number of channels by `width`, to a multiple of 8."""
    return lambda filters: max(8, round(filters * width / 8) * 8)


def repeats(blocks: int, depth: float) -> int:
    """A number of residual blocks scaled by `depth`, at least one."""
    return max(1, round(blocks * depth))


Backbone = Callable[[GraphBuilder[T], T, float, float], Sequence[T]]
Neck = Callable[[GraphBuilder[T], Sequence[T], float], Sequence[T]]


@dataclass(frozen=True)
class Release:
    """A file of trained weights that the authors of a network released.

    Attributes:
        name: name by which users ask for it.
        url: where it can be downloaded.
        size: in bytes.
        sha256: in hexadecimal digits.
    """

    name: str
    url: str
    size: int
    sha256: str

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class NetworkSpec:
    """A network: its graph, its levels and their anchors, and its released weights.

    Attributes:
        name: key in `nets.networks.NETWORKS`.
        title: name in messages.
        strides: input pixels per cell of each level, finest level first.
        cfg_anchors: width and height in input pixels, as the network's `.cfg` numbers them.
        masks: for each level, the numbers of its anchors. Levels may share anchors.
        scale_x_y: grid sensitivity of each level.
        backbone: adds the backbone to a graph; takes the builder, the images, the width (channels
            relative to the `.cfg`) and the depth (residual blocks relative to it), and returns
            what the neck needs.
        neck: adds neck and heads; takes the builder, the backbone's features and the width, and
            returns the logits of each level.
        releases: released weights.
    """

    name: str
    title: str
    strides: tuple[int, ...]
    cfg_anchors: tuple[tuple[int, int], ...]
    masks: tuple[tuple[int, ...], ...]
    scale_x_y: tuple[float, ...]
    backbone: Backbone
    neck: Neck
    releases: tuple[Release, ...] = ()

    def __post_init__(self) -> None:
        if not len(self.strides) == len(self.masks) == len(self.scale_x_y):
            raise ValueError(f"{self.name}: strides, masks and scale_x_y differ in length")
        if len({len(mask) for mask in self.masks}) != 1:
            raise ValueError(f"{self.name}: the levels differ in their number of anchors")

    @property
    def levels(self) -> int:
        """Number of levels, L."""
        return len(self.strides)

    @property
    def anchors_per_level(self) -> int:
        """Number of anchors of each level, A."""
        return len(self.masks[0])

    @property
    def anchors(self) -> tuple[tuple[int, int], ...]:
        """`[L * A, 2]`, the anchors of each level in turn; a shared one appears in each level."""
        return tuple(self.by_level(self.cfg_anchors))

    @property
    def own_masks(self) -> tuple[tuple[int, ...], ...]:
        """For each level, the places of its anchors in `anchors`."""
        per_level = self.anchors_per_level
        return tuple(
            tuple(range(level * per_level, (level + 1) * per_level)) for level in range(self.levels)
        )

    def by_level(self, numbered: Sequence[A]) -> list[A]:
        """Anchors that are numbered as in the network's `.cfg`, in the order of `anchors`."""
        return [numbered[number] for mask in self.masks for number in mask]

    @property
    def input_multiple(self) -> int:
        """Height and width of the input are multiples of this."""
        return max(self.strides)

    @property
    def logit_names(self) -> tuple[str, ...]:
        """Name of each level's logits: p3 for stride 8, since 2**3 is 8, and so on."""
        return tuple(f"p{stride.bit_length() - 1}" for stride in self.strides)

    def grids(self, input_shape: tuple[int, int]) -> list[tuple[int, int]]:
        """Rows and columns of each level for an input of this height and width."""
        height, width = input_shape
        return [(height // stride, width // stride) for stride in self.strides]

    def predictors(self, input_shape: tuple[int, int]) -> int:
        """Number of predictors of all levels, N, for an input of this height and width."""
        return self.anchors_per_level * sum(
            rows * columns for rows, columns in self.grids(input_shape)
        )
