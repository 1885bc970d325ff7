"""What two trainings must share to be compared pair by pair, as hashes."""

import hashlib

from nets.yolov4 import YOLOv4
from utils.training_data.dataset import TrainingSet

_BATCHES = 3


def fingerprint(model: YOLOv4, dataset: TrainingSet, batch_size: int) -> dict[str, str]:
    """Hashes of the initial weights and of the first batches, pixel for pixel.

    Args:
        model: before its first step.
        dataset: the training images.
        batch_size: of the first phase.

    Returns:
        SHA-256 of `initial_weights` and of `first_batches`, in hexadecimal.
    """
    weights, batches = hashlib.sha256(), hashlib.sha256()
    for array in model.get_weights():
        weights.update(array.tobytes())
    for step in range(min(_BATCHES, dataset.steps(batch_size))):
        images, targets = dataset.batch(step, 0, batch_size)
        for array in (images, *(targets[name] for name in sorted(targets))):
            batches.update(array.tobytes())
    return {"initial_weights": weights.hexdigest(), "first_batches": batches.hexdigest()}
