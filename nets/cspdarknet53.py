"""The backbone of YOLOv4."""

from nets.spec import GraphBuilder, T, repeats, scaled

_STAGES = ((64, 1), (128, 2), (256, 8), (512, 8), (1024, 4))  # channels and residual blocks


def cspdarknet53(graph: GraphBuilder[T], images: T, width: float, depth: float) -> tuple[T, T, T]:
    """CSPDarknet53 (Bochkovskiy et al. 2020, section 3.4), sections 0 to 104 of yolov4.cfg.

    Args:
        graph: adds the layers.
        images: RGB in 0..1, sides multiples of 32.
        width: channels relative to YOLOv4.
        depth: residual blocks relative to YOLOv4, at least one a stage.

    Returns:
        c3, c4, c5: features at strides 8, 16 and 32 with 256, 512 and 1024 channels times `width`.
    """
    channels = scaled(width)
    x = graph.conv(images, channels(32), 3, "mish")
    stages = []
    for filters, blocks in _STAGES:
        x = _stage(graph, x, channels(filters), repeats(blocks, depth), split=filters > 64)
        stages.append(x)
    c3, c4, c5 = stages[2:]
    return c3, c4, c5


def _stage(graph: GraphBuilder[T], x: T, filters: int, blocks: int, split: bool) -> T:
    """Halve the resolution, then apply residual blocks to a part of the features.

    The features are projected onto two paths; only one goes through the residual blocks, and both
    are concatenated at the end (Wang et al. 2020, CSPNet, figure 2b).

    Args:
        graph: adds the layers.
        x: features `[B, H, W, C]`.
        filters: output channels.
        blocks: number of residual blocks.
        split: False in the first stage, whose paths keep all channels.

    Returns:
        Features `[B, H / 2, W / 2, filters]`.
    """
    path = filters // 2 if split else filters
    bottleneck = path if split else filters // 2
    x = graph.conv(x, filters, 3, "mish", stride=2)
    shortcut = graph.conv(x, path, 1, "mish")
    x = graph.conv(x, path, 1, "mish")
    for _ in range(blocks):
        residual = graph.conv(x, bottleneck, 1, "mish")
        residual = graph.conv(residual, path, 3, "mish")
        x = graph.add(x, residual)
    x = graph.conv(x, path, 1, "mish")
    return graph.conv(graph.concat(x, shortcut), filters, 1, "mish")
