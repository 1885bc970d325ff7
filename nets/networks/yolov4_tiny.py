"""YOLOv4-tiny (Wang et al. 2021, Scaled-YOLOv4, section 3.3) as in Darknet's yolov4-tiny.cfg."""

from collections.abc import Sequence

from nets.networks.spec import GraphBuilder, NetworkSpec, Release, T, scaled

_STAGES = (64, 128, 256)  # channels of the stages at strides 4, 8 and 16


def cspdarknet53_tiny(
    graph: GraphBuilder[T], images: T, width: float, depth: float
) -> tuple[T, T, T]:
    """CSPDarknet53-tiny, sections 0 to 26 of yolov4-tiny.cfg.

    Args:
        graph: adds the layers.
        images: RGB in 0..1, sides multiples of 32.
        width: channels relative to YOLOv4-tiny.
        depth: not used: there are no residual blocks.

    Returns:
        c3, c4, c5: features at strides 8, 16 and 32 with 128, 256 and 512 channels times `width`.
    """
    channels = scaled(width)
    x = graph.conv(images, channels(32), 3, "leaky", stride=2)
    x = graph.conv(x, channels(64), 3, "leaky", stride=2)
    laterals = []
    for filters in _STAGES:
        x, lateral = _stage(graph, x, channels(filters))
        laterals.append(lateral)
    _, c3, c4 = laterals
    return c3, c4, graph.conv(x, channels(512), 3, "leaky")


def _stage(graph: GraphBuilder[T], x: T, filters: int) -> tuple[T, T]:
    """Convolve the features, half of them twice more, and halve the resolution.

    Args:
        graph: adds the layers.
        x: features `[B, H, W, C]`.
        filters: channels of the stage, F.

    Returns:
        Features `[B, H / 2, W / 2, 2 F]`, and those of the second path `[B, H, W, F]`.
    """
    shortcut = graph.conv(x, filters, 3, "leaky")
    first = graph.conv(graph.half(shortcut), filters // 2, 3, "leaky")
    second = graph.conv(first, filters // 2, 3, "leaky")
    lateral = graph.conv(graph.concat(second, first), filters, 1, "leaky")
    return graph.max_pool(graph.concat(shortcut, lateral)), lateral


def top_down(graph: GraphBuilder[T], features: Sequence[T], width: float) -> list[T]:
    """A feature pyramid (Lin et al. 2017, FPN) with a head at each level, the coarsest one first.

    Args:
        graph: adds the layers.
        features: of the backbone, finest level first.
        width: channels relative to YOLOv4-tiny.

    Returns:
        Logits of each level.
    """
    channels = scaled(width)
    *laterals, deepest = features
    x = graph.conv(deepest, channels(256), 1, "leaky")
    logits = [graph.head(graph.conv(x, channels(512), 3, "leaky"), level=len(laterals))]
    for level in reversed(range(len(laterals))):
        filters = 256 >> (len(laterals) - 1 - level)
        x = graph.upsample(graph.conv(x, channels(filters // 2), 1, "leaky"))
        x = graph.conv(graph.concat(x, laterals[level]), channels(filters), 3, "leaky")
        logits.insert(0, graph.head(x, level))
    return logits


def _neck(graph: GraphBuilder[T], features: Sequence[T], width: float) -> list[T]:
    return top_down(graph, features[1:], width)


YOLOV4_TINY = NetworkSpec(
    name="yolov4-tiny",
    title="YOLOv4-tiny",
    strides=(16, 32),
    cfg_anchors=((10, 14), (23, 27), (37, 58), (81, 82), (135, 169), (344, 319)),
    masks=((1, 2, 3), (3, 4, 5)),
    scale_x_y=(1.05, 1.05),
    backbone=cspdarknet53_tiny,
    neck=_neck,
    releases=(
        Release(
            "yolov4-tiny",
            "https://github.com/AlexeyAB/darknet/releases/download/darknet_yolo_v4_pre/"
            "yolov4-tiny.weights",
            24_251_276,
            "cf9fbfd0f6d4869b35762f56100f50ed05268084078805f0e7989efe5bb8ca87",
        ),
    ),
)
