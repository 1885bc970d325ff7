"""The losses of the arms, and logits and targets of two small images for them."""

import numpy as np

from nets.losses import confidence_loss
from tests.helpers.yolov4 import make_loss

ANCHORS = [[4, 4], [8, 8], [8, 16], [16, 16], [24, 16], [16, 32], [32, 32], [48, 32], [64, 64]]
ARMS = ["bce", "balanced_bce", "focal", "focal_star", "ohem"]


def arm(name, alpha=0.25, gamma=2.0):
    return confidence_loss(
        name, focal_alpha=alpha, focal_gamma=gamma, focal_beta=1.0, ohem_ratio=3.0
    )


def logits_of(seed, classes=3, batch=2, height=64, width=64):
    rng = np.random.default_rng(seed)
    shapes = [(batch, height // s, width // s, 3, 5 + classes) for s in (8, 16, 32)]
    return [rng.normal(0, 1, shape).astype(np.float32) for shape in shapes]


def targets_of(images, size=4):
    """Targets of images, each a list of (box, label, difficult)."""
    boxes = np.zeros((len(images), size, 4), np.float32)
    labels = np.full((len(images), size), -1, np.int32)
    difficult = np.zeros((len(images), size), bool)
    for row, objects in enumerate(images):
        for place, (box, label, hard) in enumerate(objects):
            boxes[row, place], labels[row, place], difficult[row, place] = box, label, hard
    return {"boxes": boxes, "labels": labels, "difficult": difficult}


IMAGES = [[([16, 8, 24, 16], 2, False), ([10, 20, 50, 60], 0, False)], []]


def loss_of(name="focal", **options):
    return make_loss(ANCHORS, arm(name), **options)
