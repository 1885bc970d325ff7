"""A network that shares nothing with YOLOv4: two levels, a shared anchor, split channels, leaky.

The coarse head comes first in its `.cfg`, and anchor 0 is in no level, as in other networks of the
family.
"""

import numpy as np

from nets.networks.spec import NetworkSpec, repeats, scaled


def _backbone(graph, images, width, depth):
    channels = scaled(width)
    x = graph.conv(images, channels(16), 3, "leaky", stride=2)
    x = graph.conv(x, channels(32), 3, "mish", stride=2)
    for _ in range(repeats(2, depth)):
        x = graph.add(x, graph.conv(x, channels(32), 3, "leaky"))
    part = graph.conv(graph.half(x), channels(32) // 2, 3, "leaky")
    x = graph.max_pool(graph.concat(x, part))
    fine = graph.conv(graph.max_pool(x), channels(32), 1, "leaky")
    return fine, graph.conv(fine, channels(64), 3, "leaky", stride=2)


def _neck(graph, features, width):
    channels = scaled(width)
    fine, coarse = features
    coarse = graph.pyramid_pooling(graph.conv(coarse, channels(16), 1, "leaky"))
    coarse_logits = graph.head(coarse, level=1)
    up = graph.upsample(graph.conv(coarse, channels(16), 1, "leaky"))
    fine_logits = graph.head(graph.concat(up, fine), level=0)
    return fine_logits, coarse_logits


TOY = NetworkSpec(
    name="toy",
    title="Toy",
    strides=(16, 32),
    cfg_anchors=((4, 6), (10, 14), (23, 27), (37, 58), (81, 82), (135, 169)),
    masks=((1, 2, 3), (3, 4, 5)),
    scale_x_y=(1.05, 1.1),
    backbone=_backbone,
    neck=_neck,
)
ANCHORS = np.array(TOY.anchors, np.float32)
