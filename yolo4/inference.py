"""Runs a network and the decoding of its logits as one compiled function."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor

from nets.decode import SCALE_X_Y, decode
from yolo4.model import load_run_model, set_precision
from yolo4.run import Run


class DecodedNetwork(keras.Model):
    """A network that gives boxes, confidences and class scores in place of logits.

    Args:
        network: a `nets.yolov4.YOLOv4`.
        anchors: `[9, 2]`, width and height in input pixels.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
    """

    def __init__(
        self,
        network: keras.Model,
        anchors: Sequence[Sequence[float]],
        scale_x_y: Sequence[float] = SCALE_X_Y,
    ) -> None:
        super().__init__(dtype="float32")
        self.network = network
        self.anchors = tuple(tuple(map(float, anchor)) for anchor in anchors)
        self.scale_x_y = tuple(scale_x_y)

    def call(self, images: KerasTensor) -> tuple[KerasTensor, KerasTensor, KerasTensor]:
        """As `nets.decode.decode`, of images uint8 `[B, H, W, 3]` RGB."""
        return decode(self.network(images, training=False), self.anchors, self.scale_x_y)

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `call`, on arrays, compiled once per shape."""
        return self.predict_on_batch(images)


def network_of_run(run: Run, anchors: np.ndarray) -> DecodedNetwork:
    """The network of a run with its best weights, in the precision it was trained with.

    Args:
        run: a run folder.
        anchors: `[9, 2]`, width and height in input pixels.

    Raises:
        UserError: there are no weights, or they do not fit the run's settings or class names.
    """
    before, config = keras.config.dtype_policy(), run.config()
    set_precision(config)
    try:
        return DecodedNetwork(load_run_model(run), anchors, config.scale_x_y)
    finally:
        keras.config.set_dtype_policy(before)
