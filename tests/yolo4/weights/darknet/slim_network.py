"""A slim network and its Darknet file."""

import functools

import numpy as np

from nets.yolov4 import YOLOv4
from tests.helpers.random_weights import random_weights

SLIM = {"width": 0.125, "depth": 0.1}
SHAPE = (64, 96)
NO_IMAGES = np.uint64(0)


def write(path, numbers, versions=(0, 2, 5), seen=NO_IMAGES):
    """A file made here, byte by byte."""
    path.write_bytes(np.array(versions, "<i4").tobytes() + seen.tobytes() + numbers.tobytes())
    return path


def slim(class_count, seed):
    """A network of so many classes with random weights; the next call for as many changes it."""
    return random_weights(_of_classes(class_count), seed)


@functools.cache
def _of_classes(class_count):
    return YOLOv4(class_count, **SLIM)
