"""Trains all of YOLOv4, with few channels, for five steps from trained weights.

    python -m tests.yolo4.train.devices.whole_net WAY DEVICES WEIGHTS FILE

If WAY is "orders", a short training makes the weights first, and then the five steps are repeated
with the images of each batch in other orders. "synchronized" and "separate" say how several devices
normalize batches. FILE receives the weights after each five steps in one vector, by name, and those
before them as "before".
"""

import dataclasses
import sys

import keras
import numpy as np

from nets.yolov4 import YOLOv4
from tests.helpers.yolov4 import COCO_ANCHORS
from yolo4.build import build_criterion
from yolo4.config import Config
from yolo4.environment.devices import Cluster
from yolo4.train.devices.opening import open_devices
from yolo4.train.optimizer.compile import compile_for_phase

ORDERS, STEPS, TRAINING_STEPS = 4, 5, 300
BATCH, SIDE, OBJECTS, CLASSES = 8, 96, 3, 2
# So slow that the errors of a step hardly grow in the next ones.
CONFIG = Config(
    optimizer="sgd",
    ema=None,
    learning_rate=0.0005,
    warmup_epochs=0.0,
    epochs=2,
    batch_size=BATCH,
    positives_per_image=float(OBJECTS),
)
TRAINING = dataclasses.replace(CONFIG, optimizer="adamw", learning_rate=0.004)


class Batches(keras.utils.PyDataset):
    """Rectangles in the color of their class, on noise; an order permutes the images of a batch.

    A worker makes its part of each batch.
    """

    def __init__(self, cluster: Cluster, first: int, steps: int, order: int = 0) -> None:
        super().__init__()
        self.cluster = cluster
        self.numbers = range(first, first + steps)
        self.order = order

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, step: int) -> tuple:
        rng = np.random.default_rng(self.numbers[step])
        images = rng.integers(0, 256, (BATCH, SIDE, SIDE, 3), np.uint8)
        starts = rng.integers(0, SIDE - 16, (BATCH, OBJECTS, 2))
        boxes = np.concatenate([starts, starts + rng.integers(8, 48, starts.shape)], axis=2)
        boxes = np.minimum(boxes, SIDE)
        labels = rng.integers(0, CLASSES, (BATCH, OBJECTS), np.int32)
        for image, corners, colors in zip(images, boxes, labels, strict=True):
            for (x1, y1, x2, y2), label in zip(corners, colors, strict=True):
                image[y1:y2, x1:x2] = 220 * np.eye(3)[label]
        difficult = np.zeros(labels.shape, bool)
        places = np.arange(BATCH)
        if self.order:
            places = np.random.default_rng(self.order).permutation(BATCH)
        places = np.split(places, self.cluster.workers)[self.cluster.worker]
        targets = {"boxes": boxes.astype(np.float32), "labels": labels, "difficult": difficult}
        return images[places], {name: array[places] for name, array in targets.items()}


def main() -> None:
    way, setting, weights, file = sys.argv[1:]
    devices = open_devices(dataclasses.replace(CONFIG, devices=setting))
    keras.utils.set_random_seed(0)
    with devices.scope():
        model = YOLOv4(CLASSES, width=0.05, depth=0.1, input_shape=(SIDE, SIDE))
    if way == "synchronized":
        model.synchronize_statistics()
    model.criterion = build_criterion(CONFIG, COCO_ANCHORS)
    if way == "orders":
        compile_for_phase(model, TRAINING, 0, TRAINING_STEPS, BATCH, devices)
        model.fit(Batches(devices.cluster, 0, TRAINING_STEPS), shuffle=False, verbose=0)
        model.save_weights(weights)
    compile_for_phase(model, CONFIG, 0, TRAINING_STEPS, BATCH, devices)
    found = {}
    for order in range(ORDERS + 1 if way == "orders" else 1):
        model.load_weights(weights)
        found["before"] = vector(model)
        for variable in model.optimizer.variables:  # like a new one, which would be traced again
            variable.assign(keras.ops.zeros_like(variable))
        batches = Batches(devices.cluster, TRAINING_STEPS, STEPS, order)
        model.fit(batches, shuffle=False, verbose=0)
        found[f"order {order}"] = vector(model)
    np.savez(file, **found)


def vector(model: YOLOv4) -> np.ndarray:
    """All trainable weights."""
    values = [keras.ops.convert_to_numpy(weight) for weight in model.trainable_weights]
    return np.concatenate([value.ravel() for value in values])


if __name__ == "__main__":
    main()
