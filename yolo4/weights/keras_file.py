"""What a weights file of Keras stores: layers in an order, with their arrays, but no graph."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nets.networks import NETWORKS, NetworkSpec
from utils.errors import UserError
from yolo4.weights.darknet.graph import bare_sections

CONVOLUTION = ("kernel", "bias")
NORM = ("gamma", "beta", "moving_mean", "moving_variance")
_BOX_AND_CONFIDENCE = 5
_DEFAULT_NAME = re.compile(r"(?:conv2d|batch_normalization)(?:_(\d+))?$")
_SHOWN = 4  # of a list of layers

Shape = tuple[int, ...]


@dataclass(frozen=True)
class StoredLayer:
    """A layer of a file.

    Attributes:
        name: for messages, such as `conv2d_12`.
        arrays: by the names of Keras's variables: those of `CONVOLUTION` or `NORM`, if it is such a
            layer.
        given_name: what the layer was called in the network; None if the file does not tell.
    """

    name: str
    arrays: dict[str, np.ndarray]
    given_name: str | None = None

    @property
    def creation_index(self) -> int | None:
        """Its place among the layers of its type as created; None if the file does not show it."""
        match = _DEFAULT_NAME.search(self.given_name or "")
        return int(match[1] or 0) if match else None

    @property
    def shapes(self) -> dict[str, Shape]:
        """Shape of each array."""
        return {name: array.shape for name, array in self.arrays.items()}

    @property
    def kernel(self) -> Shape:
        """Shape of the kernel; empty if there is none."""
        return self.shapes.get("kernel", ())


@dataclass(frozen=True)
class StoredNetwork:
    """The layers of a file, each kind in the file's order.

    Attributes:
        path: the file.
        program: what wrote the file, for messages.
        convolutions: convolutions of images.
        norms: batch norms.
        others: all other layers with arrays.
    """

    path: Path
    program: str
    convolutions: list[StoredLayer]
    norms: list[StoredLayer]
    others: list[StoredLayer]

    @property
    def counts(self) -> tuple[int, int]:
        """Number of convolutions and of batch norms."""
        return len(self.convolutions), len(self.norms)

    @property
    def contents(self) -> str:
        """What the file holds, for messages."""
        convolutions, norms = self.counts
        alike = [network for network in NETWORKS.values() if _counts(network) == self.counts]
        as_network = f", as {alike[0].title} has" if alike else ""
        return f"{convolutions} convolutions and {norms} batch norms{as_network}"

    def network(self, expected: NetworkSpec) -> NetworkSpec:
        """The network with as many layers, the expected one before others and if none has."""
        known = (expected, *NETWORKS.values())
        return next((network for network in known if _counts(network) == self.counts), expected)

    def class_count(self, network: NetworkSpec) -> int:
        """The class count of the heads.

        Raises:
            UserError: the file is not for this network.
        """
        self._require_no_others(network)
        if (class_count := self._class_count(network)) is not None:
            return class_count
        written = f"{self.path}: weights of {self.program}"
        other = self.network(network)
        if (class_count := self._class_count(other)) is not None:
            raise UserError(
                f"{written} for {other.title}, {class_count} classes, not {network.title}"
            )
        raise UserError(
            f"{written} with {self.contents}, not of {network.title}, whose {network.levels} "
            f"convolutions with a bias have {network.anchors_per_level} * (5 + classes) filters; "
            f"found: {', '.join(map(str, self._heads())) or 'none'}"
        )

    def _heads(self) -> list[int]:
        """Number of filters of each head; only the convolutions of the heads have a bias."""
        return [layer.arrays["bias"].size for layer in self.convolutions if "bias" in layer.arrays]

    def _class_count(self, network: NetworkSpec) -> int | None:
        heads = self._heads()
        if len(heads) != network.levels or len(set(heads)) != 1:
            return None
        values, rest = divmod(heads[0], network.anchors_per_level)
        return None if rest or values <= _BOX_AND_CONFIDENCE else values - _BOX_AND_CONFIDENCE

    def _require_no_others(self, network: NetworkSpec) -> None:
        title, attention = network.title, self._attention()
        if attention:
            raise UserError(
                f"{self.path}: has {attention}, which {title} does not have; expected weights of a "
                "network without attention"
            )
        if self.others:
            layers = [f"{layer.name} ({describe(layer.shapes)})" for layer in self.others]
            raise UserError(
                f"{self.path}: has layers that {title} does not have: {shortened(layers)}"
            )

    def _attention(self) -> str | None:
        """The name of the attention blocks in the network, which their kernels show."""
        kernels = [layer.kernel for layer in (*self.convolutions, *self.others)]
        dense = {kernel for kernel in kernels if len(kernel) == 2}
        if any(kernel[2:] == (2, 1) for kernel in kernels):
            return "CBAM blocks (channel and spatial attention)"
        if any(kernel[::-1] in dense for kernel in dense if kernel[0] > kernel[1]):
            return "squeeze-and-excitation blocks (channel attention)"
        if any(len(kernel) == 3 and kernel[1:] == (1, 1) for kernel in kernels):
            return "ECA blocks (channel attention)"
        return None


def stored_network(path: Path, program: str, layers: Iterable[StoredLayer]) -> StoredNetwork:
    """The layers of a file, told apart by their arrays."""
    convolutions, norms, others = [], [], []
    for layer in layers:
        names = layer.arrays.keys()
        if names <= {*CONVOLUTION} and len(layer.kernel) == 4:
            convolutions.append(layer)
        else:
            (norms if names == {*NORM} else others).append(layer)
    return StoredNetwork(path, program, convolutions, norms, others)


def describe(shapes: Mapping[str, Shape]) -> str:
    """The shapes of a layer's arrays, for messages."""
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def shortened(names: Sequence[str]) -> str:
    """The first of several names, for messages."""
    return ", ".join([*names[:_SHOWN], *(["..."] if len(names) > _SHOWN else [])])


def _counts(network: NetworkSpec) -> tuple[int, int]:
    sections = bare_sections(network, 1, 1, 1)
    convolutions = [section.options for section in sections if section.name == "convolutional"]
    return len(convolutions), sum("batch_normalize" in options for options in convolutions)
