"""The backbone of YOLOv4."""

from collections.abc import Callable, Iterator

from keras import KerasTensor

from nets.blocks import conv_bn_act, csp_stage

STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))  # channels and residual blocks of each


def repeats(blocks: int, depth: float) -> int:
    """A number of residual blocks scaled by `depth`, at least one."""
    return max(1, round(blocks * depth))


def scaled(width: float) -> Callable[[int], int]:
    """A function that scales a number of channels by `width`, to a multiple of 8."""
    return lambda filters: max(8, round(filters * width / 8) * 8)


def cspdarknet53(
    images: KerasTensor, width: float, depth: float, names: Iterator[str]
) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
    """CSPDarknet53 (Bochkovskiy et al. 2020, section 3.4), sections 0 to 104 of yolov4.cfg.

    Args:
        images: `[B, H, W, 3]`, RGB in 0..1, sides multiples of 32.
        width: channels relative to YOLOv4.
        depth: residual blocks relative to YOLOv4, at least one a stage.
        names: names of the convolutions in order.

    Returns:
        c3, c4, c5: features at strides 8, 16 and 32 with 256, 512 and 1024 channels times `width`.
    """
    channels = scaled(width)
    x = conv_bn_act(images, channels(32), 3, "mish", names)
    stages = []
    for filters, blocks in STAGES:
        x = csp_stage(x, channels(filters), repeats(blocks, depth), names, split=filters > 64)
        stages.append(x)
    c3, c4, c5 = stages[2:]
    return c3, c4, c5
