"""Trains a network of two blocks for five steps, in a separate process.

    python -m tests.yolo4.train.devices.five_steps DEVICES FILE

The file receives the weights and the logged losses. TF_CONFIG may name several workers.
"""

import sys
from functools import partial

import keras
import numpy as np

from nets.losses import focal
from nets.yolov4 import YOLOv4
from tests.helpers.yolov4 import make_loss
from tests.yolo4.train.devices.two_blocks import TWO_BLOCKS
from yolo4.config import Config
from yolo4.train.devices.devices import Devices
from yolo4.train.devices.opening import open_devices
from yolo4.train.optimizer.compile import compile_for_phase

STEPS, BATCH, SIDE, OBJECTS = 5, 8, 32, 4
CASES = {
    "plain": {"sync_batch_norm": True},
    "accumulated, clipped, averaged": {
        "sync_batch_norm": True,
        "accumulate": 2,
        "gradient_clip": 0.01,
        "ema": 0.9,
    },
    "each by itself": {"sync_batch_norm": False},
}


class Batches(keras.utils.PyDataset):
    """Random images and objects; a worker makes its part of each batch."""

    def __init__(self, devices: Devices):
        super().__init__()
        self.cluster = devices.cluster

    def __len__(self):
        return STEPS

    def __getitem__(self, step):
        rng = np.random.default_rng(step)
        corners = np.sort(rng.uniform(0, SIDE, (BATCH, OBJECTS, 2, 2)), axis=2)
        targets = {
            "boxes": corners.reshape(BATCH, OBJECTS, 4).astype(np.float32),
            "labels": rng.integers(-1, 2, (BATCH, OBJECTS)).astype(np.int32),
            "difficult": rng.random((BATCH, OBJECTS)) < 0.2,
        }
        images = rng.integers(0, 256, (BATCH, SIDE, SIDE, 3), np.uint8)
        rows = np.split(np.arange(BATCH), self.cluster.workers)[self.cluster.worker]
        return images[rows], {name: array[rows] for name, array in targets.items()}


def trained(case: str, setting: str) -> dict[str, np.ndarray]:
    """The weights after five steps and the logged losses, by name."""
    options = {"ema": None, "learning_rate": 0.1, "warmup_epochs": 0.0} | CASES[case]
    config = Config(optimizer="sgd", batch_size=BATCH, epochs=2, devices=setting, **options)
    devices = open_devices(config)
    keras.utils.set_random_seed(0)
    with devices.scope():
        model = YOLOv4(2, input_shape=(SIDE, SIDE), network=TWO_BLOCKS)
    if devices.strategy and config.sync_batch_norm:
        model.synchronize_statistics()
    elementwise = partial(focal, alpha=0.25, gamma=2)
    model.criterion = make_loss(
        TWO_BLOCKS.anchors,
        lambda logits, targets, loss_mask: loss_mask * elementwise(logits, targets),
        strides=TWO_BLOCKS.strides,
        scale_x_y=TWO_BLOCKS.scale_x_y,
        positives_per_image=4.0,
    )
    compile_for_phase(model, config, 0, STEPS, BATCH, devices)
    history = model.fit(Batches(devices), shuffle=False, verbose=0).history
    assert len(model.predict_on_batch(np.zeros((3, SIDE, SIDE, 3), np.uint8))[0]) == 3
    arrays = {w.path: keras.ops.convert_to_numpy(w) for w in model.weights}
    return arrays | {f"logged {name}": np.array(values) for name, values in history.items()}


def main() -> None:
    setting, file = sys.argv[1:]
    found = {
        f"{case}: {name}": array for case in CASES for name, array in trained(case, setting).items()
    }
    np.savez(file, **found)


if __name__ == "__main__":
    main()
