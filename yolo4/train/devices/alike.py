"""Compares what the workers of a training must share."""

import dataclasses
import hashlib
import json

from nets.yolov4 import YOLOv4
from utils.errors import UserError
from yolo4.config import WITHOUT_INFLUENCE
from yolo4.options import flag
from yolo4.train.devices.devices import Devices
from yolo4.train.setup import TrainingSetup
from yolo4.train.state.same_data import data_digest

# Paths may differ between machines; what the files hold is compared itself.
_SETTINGS_OF_ONE_WORKER = {*WITHOUT_INFLUENCE, "data", "classes", "anchors", "weights"}


def require_alike(devices: Devices, setup: TrainingSetup, model: YOLOv4, position: str) -> None:
    """Compare settings, data, initial weights and position. All workers call this together.

    Args:
        devices: of the training.
        setup: its settings and data.
        model: with its initial weights.
        position: where the training is.

    Raises:
        UserError: a worker differs from the chief; says in what.
    """
    if devices.cluster.workers == 1:
        return
    facts = {**_settings(setup), "initial weights": _hash_of(model), "position": position}
    facts["data"] = hashlib.sha256(repr(_data(setup)).encode()).hexdigest()
    chief, *others = map(json.loads, devices.gather_texts(json.dumps(facts)))
    for number, other in enumerate(others, 1):
        differing = [name for name in chief if chief[name] != other.get(name)]
        if differing:
            raise UserError(
                f"worker {number} and the chief differ in {', '.join(differing)}; all workers need "
                "the same settings and data"
            )


def _settings(setup: TrainingSetup) -> dict[str, object]:
    settings = dataclasses.asdict(setup.config)
    return {flag(name): settings[name] for name in settings if name not in _SETTINGS_OF_ONE_WORKER}


def _data(setup: TrainingSetup) -> list[object]:
    """Classes, anchors, and the content of the images in their order, without their names."""
    digest = data_digest(setup)
    images = [(image.content, image.objects) for s in digest.splits.values() for image in s]
    return [digest.classes, digest.anchors, images]


def _hash_of(model: YOLOv4) -> str:
    weights = hashlib.sha256()
    for array in model.get_weights():
        weights.update(array.tobytes())
    return weights.hexdigest()
