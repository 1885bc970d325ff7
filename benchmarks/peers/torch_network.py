"""The networks in PyTorch, as its users write them, from the same description as those of Keras."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from nets.networks import NetworkSpec

_ACTIVATIONS = {
    "mish": lambda: nn.Mish(inplace=True),
    "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
}


class _Concat(nn.Module):
    def forward(self, *xs: Tensor) -> Tensor:
        return torch.cat(xs, 1)


class _Add(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class _Half(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, x.shape[1] // 2 :]


class _PyramidPooling(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        pools = [x]
        for _ in range(3):
            pools.insert(0, functional.max_pool2d(pools[0], 5, 1, 2))
        return torch.cat(pools, 1)


class TorchNetwork(nn.Module):
    """A network as a PyTorch module: from images 0..255 `[B, 3, H, W]` to the logits of each level.

    It is a `nets.networks.spec.GraphBuilder` of PyTorch layers. Values are numbers of layers; -1
    stands for the images.

    Args:
        network: the graph.
        class_count: number of classes, C.
        width: channels relative to the network's `.cfg`.
        depth: residual blocks relative to it.
    """

    def __init__(
        self, network: NetworkSpec, class_count: int, width: float = 1.0, depth: float = 1.0
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self._inputs: list[tuple[int, ...]] = []
        self._channels = {-1: 3}
        self._head_filters = network.anchors_per_level * (5 + class_count)
        features = network.backbone(self, -1, width, depth)
        self._outputs = network.neck(self, features, width)
        self._last_read = [self._read_last_by(number) for number in range(len(self.layers))]

    def forward(self, images: Tensor) -> list[Tensor]:
        """The logits `[B, A * (5 + C), H, W]`, finest level first."""
        values = {-1: images / 255}
        for number, layer in enumerate(self.layers):
            values[number] = layer(*(values[i] for i in self._inputs[number]))
            for finished in self._last_read[number]:
                del values[finished]  # so that its memory is free
        return [values[number] for number in self._outputs]

    def _read_last_by(self, number: int) -> list[int]:
        """The values that a layer reads and no later one."""
        later = {i for inputs in self._inputs[number + 1 :] for i in inputs} | {*self._outputs}
        return [i for i in set(self._inputs[number]) if i not in later]

    def _append(self, layer: nn.Module, channels: int, *inputs: int) -> int:
        number = len(self.layers)
        self.layers.append(layer)
        self._inputs.append(inputs)
        self._channels[number] = channels
        return number

    def conv(self, x: int, filters: int, kernel: int, activation: str, stride: int = 1) -> int:
        """Convolution, batch normalization, activation."""
        layer = nn.Sequential(
            nn.Conv2d(self._channels[x], filters, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(filters, eps=1e-5, momentum=0.03),
            _ACTIVATIONS[activation](),
        )
        return self._append(layer, filters, x)

    def add(self, x: int, y: int) -> int:
        """A sum."""
        return self._append(_Add(), self._channels[x], x, y)

    def concat(self, *xs: int) -> int:
        """A concatenation of channels."""
        return self._append(_Concat(), sum(self._channels[x] for x in xs), *xs)

    def half(self, x: int) -> int:
        """The second half of the channels."""
        return self._append(_Half(), self._channels[x] // 2, x)

    def max_pool(self, x: int) -> int:
        """Maximum over 2x2 pixels with stride 2."""
        return self._append(nn.MaxPool2d(2), self._channels[x], x)

    def pyramid_pooling(self, x: int) -> int:
        """Maxima over 13x13, 9x9 and 5x5 pixels, concatenated with `x`."""
        return self._append(_PyramidPooling(), 4 * self._channels[x], x)

    def upsample(self, x: int) -> int:
        """Each pixel repeated to 2x2."""
        return self._append(nn.Upsample(scale_factor=2), self._channels[x], x)

    def head(self, x: int, level: int) -> int:
        """The logits of a level."""
        layer = nn.Conv2d(self._channels[x], self._head_filters, 1)
        return self._append(layer, self._head_filters, x)

    def load_darknet(self, path: Path) -> None:
        """Set all weights to those of a Darknet file."""
        from yolo4.weights.darknet.files import read_weights  # imports Keras

        numbers = read_weights(path)[1]
        for array in (array for layer in self.layers for array in _in_darknet_order(layer)):
            values, numbers = np.split(numbers, [array.numel()])
            with torch.no_grad():
                array.copy_(torch.from_numpy(values).reshape(array.shape))
        if len(numbers):
            raise ValueError(f"{path} has {len(numbers)} numbers more than the network")


def _in_darknet_order(layer: nn.Module) -> Sequence[Tensor]:
    if isinstance(layer, nn.Conv2d):
        return layer.bias, layer.weight
    if not isinstance(layer, nn.Sequential):
        return ()
    convolution, norm, _ = layer
    return norm.bias, norm.weight, norm.running_mean, norm.running_var, convolution.weight


class TorchDetector(nn.Module):
    """A network with the decoding of its logits.

    Args:
        network: the network.
        spec: its description.
        anchors: `[L * A, 2]` in input pixels.
        scale_x_y: grid sensitivity of each level.
    """

    def __init__(
        self,
        network: TorchNetwork,
        spec: NetworkSpec,
        anchors: np.ndarray,
        scale_x_y: Sequence[float],
    ) -> None:
        super().__init__()
        self.network = network
        self._levels = list(zip(spec.strides, scale_x_y, strict=True))
        shape = (spec.levels, 1, spec.anchors_per_level, 2)
        self._anchors = torch.tensor(anchors, dtype=torch.float32).reshape(shape)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes `[B, N, 4]`, xyxy in input pixels, confidence `[B, N]`, scores `[B, N, C]`."""
        parts = zip(self.network(images), self._levels, self._anchors, strict=True)
        decoded = [self._decode(logits.float(), *level, sizes) for logits, level, sizes in parts]
        boxes, confidence, scores = (torch.cat(part, 1) for part in zip(*decoded, strict=True))
        return boxes, confidence, scores

    def _decode(
        self, logits: Tensor, stride: int, scale: float, sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, _, rows, columns = logits.shape
        x = logits.reshape(batch, sizes.shape[1], -1, rows * columns).permute(0, 3, 1, 2)
        row = torch.arange(rows).repeat_interleave(columns)
        column = torch.arange(columns).repeat(rows)
        cell = torch.stack([column, row], 1)[:, None]
        center = (cell + x[..., :2].sigmoid() * scale - (scale - 1) / 2) * stride
        half = x[..., 2:4].exp() * sizes / 2
        boxes = torch.cat([center - half, center + half], 3).flatten(1, 2)
        return boxes, x[..., 4].sigmoid().flatten(1), x[..., 5:].sigmoid().flatten(1, 2)
