"""Writes the network of a run for Darknet, and tries it with OpenCV."""

from pathlib import Path

import cv2
import keras
import numpy as np

from nets.decode import decode
from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.inference.keras_network import load_network
from yolo4.run import Run
from yolo4.weights.darknet.layers import EPSILON
from yolo4.weights.darknet.load import load_darknet, write_darknet

_BOUND = 1e-3
_OPENCV_EPSILON = 1e-6  # what OpenCV's importer adds in batch norm, where Darknet adds 1e-5


def export_darknet(run: Run, folder: Path, image: np.ndarray) -> str:
    """Write `model.weights`, `model.cfg` and `model.names`, and read them here and with OpenCV.

    Args:
        run: whose best weights are written.
        folder: where the files go.
        image: uint8 `[H, W, 3]` RGB of the input's size, to try the files on.

    Returns:
        How far boxes and confidences of the files are from the run's, for the log.

    Raises:
        UserError: the run's weights do not fit it, or the files differ from them.
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
    wanted = _keras(network, run, image)
    back = _largest(_keras(_read_back(weights, network, EPSILON), run, image), wanted)
    _insist(back, "read back")
    said = f"difference from Keras: read back, boxes {back:.2g} (at most {_BOUND:g})"
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        return f"{said}; not tried in OpenCV: 4 reads Darknet's files, 5 does not"
    found = _opencv(cfg, weights, image)
    as_opencv = _keras(_read_back(weights, network, _OPENCV_EPSILON), run, image)
    same = _largest(found, as_opencv)
    _insist(same, "in OpenCV")
    return (
        f"{said}; in OpenCV, which adds another epsilon in batch norm, "
        f"{_largest(found, wanted):.2g}, and with that in Keras too {same:.2g} (at most {_BOUND:g})"
    )


def _read_back(weights: Path, network: YOLOv4, epsilon: float) -> YOLOv4:
    again = YOLOv4(**{**network.arguments, "epsilon": epsilon})
    load_darknet(again, weights, whole=True)
    return again


def _largest(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, in parts of the input, or of what is larger than it."""
    return float((np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max())


def _insist(difference: float, where: str) -> None:
    # Written so that NaN, which compares as false, is refused too.
    if not difference <= _BOUND:
        raise UserError(
            f"{where}, the files' boxes differ from Keras's by {difference:.2g} of the input"
        )


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
