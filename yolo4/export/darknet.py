"""Writes the network of a run for Darknet, and tries it with OpenCV."""

from pathlib import Path

import cv2
import keras
import numpy as np

from nets.decode import decode
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.inference import load_network
from yolo4.run import Run
from yolo4.weights.darknet import load_darknet, write_darknet

_BOUND = 1e-3
_EPSILON = 1e-6  # what OpenCV's importer adds in batch norm, where Darknet adds 1e-5


def export_darknet(run: Run, folder: Path, image: np.ndarray) -> str:
    """Write `model.weights`, `model.cfg` and `model.names`, and read them with OpenCV.

    Args:
        run: whose best weights are written.
        folder: where the files go.
        image: uint8 `[H, W, 3]` RGB of the input's size, to try the files on.

    Returns:
        How far OpenCV's boxes and confidences are from Keras's, for the log.

    Raises:
        UserError: the run's weights do not fit it, or OpenCV differs from Keras.
    """
    network, config = load_network(run, "float32"), run.config()
    weights, cfg, _ = write_darknet(
        folder / "model.weights",
        network,
        run.anchors().tolist(),
        config.scale_x_y,
        config.input_shape,
        run.class_names(),
    )
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        return "not tried: OpenCV 4 reads Darknet's files, OpenCV 5 does not"
    as_opencv = YOLOv4(**{**network.arguments, "epsilon": _EPSILON})
    load_darknet(as_opencv, weights, whole=True)
    found, wanted = _opencv(cfg, weights, image), _keras(as_opencv, run, image)
    difference = float((np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max())
    if not difference <= _BOUND:
        raise UserError(f"OpenCV's boxes differ from Keras's by {difference:.2g} of the input")
    return f"difference from Keras in OpenCV: boxes {difference:.2g} (at most {_BOUND:g})"


def _opencv(cfg: Path, weights: Path, image: np.ndarray) -> np.ndarray:
    """Center, sides and confidence of every predictor, `[N, 5]`, relative to the input."""
    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255))
    return np.concatenate(net.forward(net.getUnconnectedOutLayersNames()))[:, :5]


def _keras(network: YOLOv4, run: Run, image: np.ndarray) -> np.ndarray:
    """The same by Keras."""
    logits = network(image[None], training=False)
    decoded = decode(logits, run.anchors().tolist(), run.config().scale_x_y)
    boxes, confidence, _ = (keras.ops.convert_to_numpy(part)[0] for part in decoded)
    low, high = boxes[:, :2], boxes[:, 2:]
    size = image.shape[1::-1]
    return np.concatenate([(low + high) / 2 / size, (high - low) / size, confidence[:, None]], 1)
