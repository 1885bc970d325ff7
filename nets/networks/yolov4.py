"""YOLOv4 (Bochkovskiy et al. 2020): its backbone, its neck with three heads, and its spec."""

from collections.abc import Sequence

from nets.networks.spec import GraphBuilder, NetworkSpec, Release, T, repeats, scaled

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


def panet(graph: GraphBuilder[T], features: Sequence[T], width: float) -> tuple[T, T, T]:
    """SPP and path aggregation (Liu et al. 2018, PANet) with three heads, as in yolov4.cfg.

    Args:
        graph: adds the layers.
        features: c3, c4, c5 of the backbone, at strides 8, 16 and 32.
        width: channels relative to YOLOv4.

    Returns:
        Logits at strides 8, 16 and 32.
    """
    channels = scaled(width)
    c3, c4, c5 = features

    def conv(x: T, filters: int, kernel: int = 1, stride: int = 1) -> T:
        return graph.conv(x, channels(filters), kernel, "leaky", stride)

    def five(x: T, filters: int) -> T:
        for _ in range(2):
            x = conv(x, filters)
            x = conv(x, 2 * filters, 3)
        return conv(x, filters)

    def merge_up(deep: T, lateral: T, filters: int) -> T:
        deep = graph.upsample(conv(deep, filters))
        return five(graph.concat(conv(lateral, filters), deep), filters)

    def merge_down(shallow: T, deep: T, filters: int) -> T:
        shallow = conv(shallow, filters, 3, stride=2)
        return five(graph.concat(shallow, deep), filters)

    n5 = graph.pyramid_pooling(conv(conv(conv(c5, 512), 1024, 3), 512))
    n5 = conv(conv(conv(n5, 512), 1024, 3), 512)
    n4 = merge_up(n5, c4, 256)
    n3 = merge_up(n4, c3, 128)
    p3 = graph.head(conv(n3, 256, 3), level=0)
    n4 = merge_down(n3, n4, 256)
    p4 = graph.head(conv(n4, 512, 3), level=1)
    n5 = merge_down(n4, n5, 512)
    p5 = graph.head(conv(n5, 1024, 3), level=2)
    return p3, p4, p5


_DARKNET = "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v3_optimal"

YOLOV4 = NetworkSpec(
    name="yolov4",
    title="YOLOv4",
    strides=(8, 16, 32),
    cfg_anchors=(
        (12, 16), (19, 36), (40, 28),
        (36, 75), (76, 55), (72, 146),
        (142, 110), (192, 243), (459, 401),
    ),
    masks=((0, 1, 2), (3, 4, 5), (6, 7, 8)),
    scale_x_y=(1.2, 1.1, 1.05),
    backbone=cspdarknet53,
    neck=panet,
    releases=(
        Release(
            "yolov4",
            f"{_DARKNET}/yolov4.weights",
            257_717_640,
            "e8a4f6c62188738d86dc6898d82724ec0964d0eb9d2ae0f0a9d53d65d108d562",
        ),
        Release(
            "yolov4.conv.137",
            f"{_DARKNET}/yolov4.conv.137",
            170_038_676,
            "11c5286cfbffabc9a3059927401ab3480e9483ceafd3265779a0dc26c769bed0",
        ),
    ),
)  # fmt: skip
