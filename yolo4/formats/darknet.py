"""Darknet's files, which OpenCV 4 reads too."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from utils.errors import UserError
from yolo4.formats.format import NetworkFormat

if TYPE_CHECKING:
    from nets.networks import NetworkSpec
    from nets.yolov4 import YOLOv4
    from yolo4.run import Run

_MAX_DIFFERENCE = 1e-3
_OPENCV_EPSILON = 1e-6  # in batch norm, where Darknet adds 1e-5


class _Prediction(NamedTuple):
    """What a network computes from one image, for all of its N predictors.

    Attributes:
        logits: `[N, 5 + C]`: tx, ty, tw, th, confidence, classes.
        boxes: `[N, 5]`, decoded: center, sides and confidence, relative to the input.
    """

    logits: np.ndarray
    boxes: np.ndarray


def export_darknet(network: "YOLOv4", run: "Run", folder: Path, image: np.ndarray) -> str:
    """Write `model.weights`, `model.cfg` and `model.names`, and read them here and with OpenCV.

    Args:
        network: the network to write, in float32.
        run: the run that the network is of.
        folder: where the files go.
        image: uint8 `[H, W, 3]` RGB of the input size, to try the files on.

    Returns:
        For the log, how far logits and boxes of the files are from the network's.

    Raises:
        UserError: the files differ from the network.
    """
    import cv2

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
        letter_box=config.resize == "letterbox",
    )
    expected = _predict_with_keras(network, run, image)
    read_back = _predict_with_keras(_reload(weights, network, EPSILON), run, image)
    log = f"difference from Keras: read back, {_check(read_back, expected, 'read back')}"
    if not hasattr(cv2.dnn, "readNetFromDarknet"):
        return f"{log}; not tried in OpenCV: 4 reads Darknet's files, 5 does not"
    in_opencv = _predict_with_opencv(cfg, weights, image, network.network)
    as_opencv = _predict_with_keras(_reload(weights, network, _OPENCV_EPSILON), run, image)
    checked = _check(in_opencv, as_opencv, "in OpenCV")
    return (
        f"{log}; in OpenCV, which adds another epsilon in batch norm, "
        f"{_in_words(_differences(in_opencv, expected))}, and with that epsilon in Keras too "
        f"{checked}"
    )


def _reload(weights: Path, network: "YOLOv4", epsilon: float) -> "YOLOv4":
    from yolo4.weights.darknet.load import load_darknet

    arguments: dict[str, Any] = {**network.arguments, "epsilon": epsilon}
    reloaded = type(network)(**arguments)
    load_darknet(reloaded, weights, whole=True)
    return reloaded


def _differences(found: _Prediction, expected: _Prediction) -> dict[str, float]:
    """The largest difference of the logits, relative to the largest logit, and of the boxes.

    That of the boxes is relative to the input size or to a value beyond it.
    """
    logits, boxes = (np.abs(a - b) for a, b in zip(found, expected, strict=True))
    return {
        "logits": float(logits.max() / np.abs(expected.logits).max()),
        "boxes": float((boxes / np.maximum(1, np.abs(expected.boxes))).max()),
    }


def _in_words(differences: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.2g}" for name, value in differences.items())


def _check(found: _Prediction, expected: _Prediction, where: str) -> str:
    """The differences in words.

    Raises:
        UserError: one is too large.
    """
    differences = _differences(found, expected)
    # Written so that NaN, which compares as false, is refused too.
    if not all(value <= _MAX_DIFFERENCE for value in differences.values()):
        raise UserError(
            f"{where}, Darknet's files differ from Keras: {_in_words(differences)}; at most "
            f"{_MAX_DIFFERENCE:g} is allowed"
        )
    return f"{_in_words(differences)} (at most {_MAX_DIFFERENCE:g})"


def _predict_with_opencv(
    cfg: Path, weights: Path, image: np.ndarray, network: "NetworkSpec"
) -> _Prediction:
    """What OpenCV computes from an image, uint8 `[H, W, 3]` RGB of the input size.

    The logits are those of the convolutions before the [yolo] sections: the class scores that
    OpenCV makes of them are 0 where they are low.
    """
    import cv2

    from yolo4.weights.darknet.graph import head_levels

    net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    net.setInput(cv2.dnn.blobFromImage(image, 1 / 255))
    decoded = net.getUnconnectedOutLayersNames()  # yolo_139, ...: the number is the section's
    heads = [f"conv_{int(name.removeprefix('yolo_')) - 1}" for name in decoded]
    outputs = net.forward([*heads, *decoded])
    logits = [_by_predictor(maps[0], network) for maps in outputs[: len(heads)]]
    boxes = outputs[len(heads) :]
    finest_first = np.argsort(head_levels(network))
    return _Prediction(
        np.concatenate([logits[place] for place in finest_first]),
        np.concatenate([boxes[place][:, :5] for place in finest_first]),
    )


def _by_predictor(maps: np.ndarray, network: "NetworkSpec") -> np.ndarray:
    """Channels `[A * (5 + C), H, W]` of a level as the logits `[H * W * A, 5 + C]`."""
    by_anchor = maps.reshape(network.anchors_per_level, -1, *maps.shape[1:])
    return by_anchor.transpose(2, 3, 0, 1).reshape(-1, by_anchor.shape[1])


def _predict_with_keras(network: "YOLOv4", run: "Run", image: np.ndarray) -> _Prediction:
    """What Keras computes from an image, uint8 `[H, W, 3]` RGB of the input size."""
    import keras

    from nets.decode import decode, flatten

    logits = network(image[None], training=False)
    anchors, scale_x_y = run.anchors().tolist(), run.config().grid_sensitivity
    decoded = decode(logits, anchors, network.network.strides, scale_x_y)
    flat, corners, confidence = (
        np.asarray(keras.ops.convert_to_numpy(part))[0] for part in (flatten(logits), *decoded[:2])
    )
    low, high, size = corners[:, :2], corners[:, 2:], image.shape[1::-1]
    boxes = [(low + high) / 2 / size, (high - low) / size, confidence[:, None]]
    return _Prediction(flat, np.concatenate(boxes, axis=1))


DARKNET = NetworkFormat(
    name="darknet", files=("model.weights", "model.cfg", "model.names"), export=export_darknet
)
