"""A slim network and its Darknet file."""

import numpy as np

SLIM = {"width": 0.125, "depth": 0.1}
SHAPE = (64, 96)
NO_IMAGES = np.uint64(0)


def write(path, numbers, versions=(0, 2, 5), seen=NO_IMAGES):
    """A file made here, byte by byte."""
    path.write_bytes(np.array(versions, "<i4").tobytes() + seen.tobytes() + numbers.tobytes())
    return path
