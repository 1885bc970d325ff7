"""The network of a run, ready to be used, and the decoding of its logits."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np

from nets.outputs import Decode
from nets.yolov4 import YOLOv4
from yolo4.build import load_run_model, set_precision
from yolo4.run import Run


class DecodedNetwork:
    """A network and the decoding of its logits as one compiled function.

    Args:
        network: a `nets.yolov4.YOLOv4`.
        anchors: `[9, 2]`, width and height in input pixels.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
    """

    def __init__(
        self,
        network: YOLOv4,
        anchors: Sequence[Sequence[float]],
        scale_x_y: Sequence[float],
    ) -> None:
        self.network = network
        decoded = Decode(anchors, scale_x_y)(network.outputs)
        self._model = keras.Model(network.inputs, decoded)

    def infer(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `nets.decode.decode`, of images uint8 `[B, H, W, 3]` RGB; compiled once per shape."""
        found = self._model.predict_on_batch(images)
        return found["boxes"], found["confidence"], found["class_scores"]


def load_network(run: Run, precision: str | None = None) -> YOLOv4:
    """The network of a run with its best weights.

    Args:
        run: a run folder.
        precision: of the arithmetic; None: as it was trained.

    Raises:
        UserError: there are no weights, or they do not fit the run's settings or class names.
    """
    before, config = keras.config.dtype_policy(), run.config()
    set_precision(dataclasses.replace(config, precision=precision or config.precision))
    try:
        return load_run_model(run)
    finally:
        keras.config.set_dtype_policy(before)


def decoded_network(run: Run) -> DecodedNetwork:
    """The network of a run and the decoding of its logits, in the precision of its training.

    Raises:
        UserError: there are no weights, or they do not fit the run's settings or class names.
    """
    return DecodedNetwork(load_network(run), run.anchors().tolist(), run.config().scale_x_y)
