"""The networks there are. A new one is a file with its graph and its spec, and a line here."""

from nets.cspdarknet53 import cspdarknet53
from nets.panet import panet
from nets.spec import NetworkSpec, Release

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

NETWORKS = {network.name: network for network in (YOLOV4,)}

__all__ = ["NETWORKS", "YOLOV4", "NetworkSpec"]
