"""A network of two blocks, in which rounding hardly grows."""

from nets.networks.spec import NetworkSpec


def _backbone(graph, images, width, depth):
    return graph.conv(graph.conv(images, 8, 3, "mish", stride=2), 8, 3, "leaky", stride=2)


def _neck(graph, features, width):
    return [graph.head(features, level=0), graph.head(graph.max_pool(features), level=1)]


TWO_BLOCKS = NetworkSpec(
    name="two_blocks",
    title="Two blocks",
    strides=(4, 8),
    cfg_anchors=((4, 6), (10, 14), (23, 27), (9, 9)),
    masks=((0, 1), (2, 3)),
    scale_x_y=(1.05, 1.1),
    backbone=_backbone,
    neck=_neck,
)
