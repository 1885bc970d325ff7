"""Darknet's files, which OpenCV 4 reads too."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from utils.errors import UserError
from yolo4.formats.format import NetworkFormat

if TYPE_CHECKING:
    from nets.yolov4 import YOLOv4
    from yolo4.run import Run

_MAX_DIFFERENCE = 1e-3
_OPENCV_EPSILON = 1e-6  # OpenCV's importer adds this in batch norm; Darknet adds 1e-5


def export_darknet(network: "YOLOv4", run: "Run", folder: Path, image: np.ndarray) -> str:
    """Write `model.weights`, `model.cfg` and `model.names`, and read them here and with OpenCV.

    Args:
        network: the network to write, in float32.
        run: the run that the network is of.
        folder: where the files go.
        image: uint8 `[H, W, 3]` RGB of the input size, to try the files on.

    Returns:
        For the log, how far boxes and confidences of the files are from the network's.

    Raises:
        UserError: the files differ from the network.
    """
    import cv2

    from yolo4.weights.darknet.graph import head_levels
    from yolo4.weights.darknet.layers import EPSILON
    from yolo4.weights.darknet.write import write_darknet

    config = run.config()
    weights, cfg, _ = write_darknet(
        folder / DARKNET.file,
        network,
        run.anchors().tolist(),
        config.grid_sensitivity,
        config.input_shape,
        run.class_names(),
    )
    expected = _predict_with_keras(network, run, image)
    reloaded = _predict_with_keras(_reload(weights, network, EPSILON), run, image)
    reloaded_difference = _largest_difference(reloaded, expected)
    _check(reloaded_difference, "read back")
    log = (
        f"difference from Keras: read back, boxes {reloaded_difference:.2g} "
        f"(at most {_MAX_DIFFERENCE:g})"
    )
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        return f"{log}; not tried in OpenCV: 4 reads Darknet's files, 5 does not"
    in_opencv = _predict_with_opencv(cfg, weights, image, head_levels(network.network))
    as_opencv = _predict_with_keras(_reload(weights, network, _OPENCV_EPSILON), run, image)
    opencv_difference = _largest_difference(in_opencv, as_opencv)
    _check(opencv_difference, "in OpenCV")
    return (
        f"{log}; in OpenCV, which adds another epsilon in batch norm, "
        f"{_largest_difference(in_opencv, expected):.2g}, and with that epsilon in Keras too "
        f"{opencv_difference:.2g} (at most {_MAX_DIFFERENCE:g})"
    )


def _reload(weights: Path, network: "YOLOv4", epsilon: float) -> "YOLOv4":
    from yolo4.weights.darknet.load import load_darknet

    arguments: dict[str, Any] = {**network.arguments, "epsilon": epsilon}
    reloaded = type(network)(**arguments)
    load_darknet(reloaded, weights, whole=True)
    return reloaded


def _largest_difference(predicted: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference, relative to the input size or to a value beyond it."""
    return float((np.abs(predicted - expected) / np.maximum(1, np.abs(expected))).max())


def _check(difference: float, where: str) -> None:
    # Written so that NaN, which compares as false, is refused too.
    if not difference <= _MAX_DIFFERENCE:
        raise UserError(
            f"{where}, the boxes of Darknet's files differ from Keras by {difference:.2g} of the "
            f"input; at most {_MAX_DIFFERENCE:g} is allowed"
        )


def _predict_with_opencv(
    cfg: Path, weights: Path, image: np.ndarray, levels: Sequence[int]
) -> np.ndarray:
    """Center, sides and confidence of every predictor, `[N, 5]`, relative to the input.

    Args:
        cfg: the network.
        weights: its weights.
        image: uint8 `[H, W, 3]` RGB of the input size.
        levels: the level of each [yolo] section; OpenCV's outputs are in the order of the sections.
    """
    import cv2

    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255))
    outputs = net.forward(net.getUnconnectedOutLayersNames())
    return np.concatenate([outputs[place] for place in np.argsort(levels)])[:, :5]


def _predict_with_keras(network: "YOLOv4", run: "Run", image: np.ndarray) -> np.ndarray:
    """The same as `_predict_with_opencv`, by Keras."""
    import keras

    from nets.decode import decode

    logits = network(image[None], training=False)
    anchors, scale_x_y = run.anchors().tolist(), run.config().grid_sensitivity
    decoded = decode(logits, anchors, network.network.strides, scale_x_y)
    boxes, confidence = (np.asarray(keras.ops.convert_to_numpy(part))[0] for part in decoded[:2])
    low, high = boxes[:, :2], boxes[:, 2:]
    size = image.shape[1::-1]
    return np.concatenate([(low + high) / 2 / size, (high - low) / size, confidence[:, None]], 1)


DARKNET = NetworkFormat(
    name="darknet", files=("model.weights", "model.cfg", "model.names"), export=export_darknet
)
