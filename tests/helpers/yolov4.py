"""What YOLOv4's spec holds, in the forms in which tests use it, and a loss with plain settings."""

import numpy as np

from nets.losses import YOLOv4Loss
from nets.networks import YOLOV4

COCO_ANCHORS = np.array(YOLOV4.anchors, np.float32)
STRIDES, SCALE_X_Y = LEVELS = YOLOV4.strides, YOLOV4.scale_x_y  # as `decode` takes them

_PLAIN = {
    "strides": STRIDES,
    "scale_x_y": SCALE_X_Y,
    "positives_per_image": 1.0,
    "box_loss": "ciou",
    "box_gain": 1.0,
    "confidence_gain": 1.0,
    "class_gain": 1.0,
    "label_smoothing": 0.0,
    "ignore_threshold": 0.7,
    "anchor_match_threshold": None,
}


def make_loss(anchors, confidence, **options):
    """A loss whose gains are 1, without label smoothing and with the best anchor only."""
    return YOLOv4Loss(anchors=anchors, confidence=confidence, **{**_PLAIN, **options})
