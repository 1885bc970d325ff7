"""The network of a run in Keras, with its weights and the decoding of its logits."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np

from nets import Tensor
from nets.outputs import Decode
from nets.yolov4 import YOLOv4
from yolo4.build import load_run_model, set_precision
from yolo4.inference.agreement import Outputs
from yolo4.run import Run


class DecodedNetwork:
    """A network and the decoding of its logits as one compiled function.

    Args:
        network: the network.
        decode: the layer that decodes its logits.
    """

    def __init__(self, network: YOLOv4, decode: Decode) -> None:
        self.network = network
        self._model = keras.Model(network.inputs, decode(network.outputs))

    @property
    def precision(self) -> str:
        """The precision of the network's arithmetic."""
        return self.network.convolutions()[0].compute_dtype

    def infer(self, images: np.ndarray) -> Outputs:
        """As `nets.decode.decode`, of images uint8 `[B, H, W, 3]` RGB; compiled once per shape."""
        outputs = self._model.predict_on_batch(images)
        return outputs["boxes"], outputs["confidence"], outputs["class_scores"]


def load_network(run: Run, precision: str | None = None) -> YOLOv4:
    """The network of a run with its best weights.

    Args:
        run: a run folder.
        precision: of the arithmetic; None: the precision of the run's training.

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
    """The network of a run with the decoding of its logits, in the precision of its training.

    Raises:
        UserError: there are no weights, or they do not fit the run's settings or class names.
    """
    return DecodedNetwork(load_network(run), decode_layer(run))


def engine_network(run: Run, any_size: bool = False) -> keras.Model:
    """The model that backends run: from `images` to boxes, confidence and class scores.

    Args:
        run: a run with weights.
        any_size: whether images may have another size than the run's input.

    Raises:
        UserError: there are no weights, or they do not fit the run's settings or class names.
    """
    images = image_input(run, None, "uint8", any_size)
    return keras.Model(images, decode_layer(run)(load_network(run, "float32")(images)))


def to_arrays(outputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The outputs of a Keras model as NumPy arrays."""
    return {
        name: np.asarray(keras.ops.convert_to_numpy(output)) for name, output in outputs.items()
    }


def image_input(
    run: Run,
    batch_size: int | None,
    input_type: Literal["uint8", "float32"],
    any_size: bool = False,
) -> Tensor:
    """The input `images` of a model to export, `[B, H, W, 3]`; `batch_size` None: any."""
    size = (None, None) if any_size else run.config().input_shape
    images: Any = keras.Input(batch_shape=(batch_size, *size, 3), dtype=input_type, name="images")
    return images


def decode_layer(run: Run) -> Decode:
    """The layer that decodes the logits of a run's network."""
    strides, scale_x_y = run.network().strides, run.config().grid_sensitivity
    return Decode(run.anchors().tolist(), strides, scale_x_y, name="decode")
