"""The neck and the heads of YOLOv4."""

from collections.abc import Sequence

from nets.spec import GraphBuilder, T, scaled


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
