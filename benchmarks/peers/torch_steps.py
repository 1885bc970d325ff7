"""A training step, a forward pass and a matrix product in PyTorch.

The training step has a cheap stand-in for the loss and keeps no average of the weights, both in
PyTorch's favor.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.peers.torch_network import TorchNetwork
from benchmarks.peers.work import Work
from benchmarks.training.plain import SEED, random_batch
from benchmarks.workers import Steps, peak_memory, timed
from nets.networks import NETWORKS

_GRADIENT_CLIP = 10.0


def torch_steps(work: Work, compiled: bool) -> Steps:
    """A job in PyTorch, on the GPU if there is one, with or without `torch.compile`."""
    torch.manual_seed(SEED)
    torch.backends.cudnn.benchmark = True
    _use_tensor_float()
    network = TorchNetwork(NETWORKS[work.network], work.classes, work.width, work.depth)
    network = network.to(_device(), memory_format=torch.channels_last)
    forward = _forward(torch.compile(network) if compiled else network, work)
    if work.job == "training":
        step = _training_step(network, forward, work)
    else:
        network.eval()
        step = torch.inference_mode()(lambda: forward()[0])
    return Steps(timed(step, _wait), _memory, torch.__version__)


def torch_product(side: int, precision: str) -> Steps:
    """The product of two square matrices."""
    _use_tensor_float()
    options = {"dtype": getattr(torch, precision), "device": _device()}
    a, b = (torch.randn(side, side, **options) for _ in range(2))
    return Steps(timed(lambda: a @ b, _wait), _memory, torch.__version__)


def _use_tensor_float() -> None:
    """On a GPU, multiply float32 in TensorFloat-32, as JAX does."""
    if _device().type == "cuda":
        torch.set_float32_matmul_precision("high")


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _memory() -> int:
    return torch.cuda.max_memory_allocated() if _device().type == "cuda" else peak_memory()


def _wait(result: Tensor) -> None:
    float(result.flatten()[0])


def _forward(network: nn.Module, work: Work) -> Callable[[], list[Tensor]]:
    """From images in main memory, as in Keras, to logits."""
    batch = random_batch(work.input_size, work.batch_size, work.classes)[0]
    images, device = torch.from_numpy(batch).permute(0, 3, 1, 2), _device()

    def forward() -> list[Tensor]:
        moved = images.to(device).to(torch.float32, memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=work.precision == "bfloat16"):
            return network(moved)

    return forward


def _training_step(
    network: nn.Module, forward: Callable[[], list[Tensor]], work: Work
) -> Callable[[], Tensor]:
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3, fused=True)
    spec = NETWORKS[work.network]
    channels = spec.anchors_per_level * (5 + work.classes)
    targets = [
        torch.rand(work.batch_size, channels, *grid, device=_device())
        for grid in spec.grids((work.input_size, work.input_size))
    ]

    def step() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        levels = zip(forward(), targets, strict=True)
        loss = sum(binary_cross_entropy_with_logits(x.float(), y) for x, y in levels)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), _GRADIENT_CLIP)
        optimizer.step()
        return loss.detach()

    return step
