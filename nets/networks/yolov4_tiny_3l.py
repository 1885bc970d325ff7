"""YOLOv4-tiny with three levels, as in Darknet's yolov4-tiny-3l.cfg."""

from nets.networks.spec import NetworkSpec
from nets.networks.yolov4 import YOLOV4
from nets.networks.yolov4_tiny import cspdarknet53_tiny, top_down

YOLOV4_TINY_3L = NetworkSpec(
    name="yolov4-tiny-3l",
    title="YOLOv4-tiny-3l",
    strides=(8, 16, 32),
    cfg_anchors=YOLOV4.cfg_anchors,
    masks=YOLOV4.masks,
    scale_x_y=(1.05, 1.05, 1.05),
    backbone=cspdarknet53_tiny,
    neck=top_down,
)
