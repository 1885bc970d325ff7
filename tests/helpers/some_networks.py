"""Networks whose weights differ, for the tests of initial weights."""

import numpy as np

from yolo4.config import Config

CONFIG = Config(width=0.05, depth=0.1, input_size=64)
ALL = "loaded 74 of 74 convolutions and 71 of 71 batch norms from"


def equal(found, wanted):
    return all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
