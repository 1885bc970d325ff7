"""Hashes of the beginning of a training, by which runs are compared pair by pair."""

import hashlib

from nets.yolov4 import YOLOv4
from utils.training_data.dataset import TrainingSet
from yolo4.environment.onednn import onednn_setting

_BATCHES = 3


def fingerprint(
    model: YOLOv4, dataset: TrainingSet, batch_size: int, devices: str
) -> dict[str, str]:
    """What two trainings must share to be compared pair by pair.

    Args:
        model: before its first step.
        dataset: the training images.
        batch_size: of the first phase.
        devices: how many there are.

    Returns:
        SHA-256 of `initial_weights` and of `first_batches`, pixel for pixel, in hexadecimal,
        the setting of `onednn`, whose sums differ from TensorFlow's own in the last digits, and
        `devices`.
    """
    weights, batches = hashlib.sha256(), hashlib.sha256()
    for array in model.get_weights():
        weights.update(array.tobytes())
    for step in range(min(_BATCHES, dataset.steps(batch_size))):
        images, targets = dataset.batch(step, 0, batch_size)
        for array in (images, *(targets[name] for name in sorted(targets))):
            batches.update(array.tobytes())
    return {
        "initial_weights": weights.hexdigest(),
        "first_batches": batches.hexdigest(),
        "onednn": onednn_setting(),
        "devices": devices,
    }
