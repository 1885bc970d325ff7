"""Trains parts of runs of a network of two blocks, in a separate process.

    python -m tests.yolo4.train.devices.interrupted DATA DEVICES STEPS RUN...

Each run is begun, or resumed if it is there, and stopped after that many steps, or trained to its
end. The backbone is frozen at first, and the batches have several sizes. TF_CONFIG may name several
workers.
"""

import contextlib
import sys
from pathlib import Path

import keras

from nets.networks import NETWORKS
from tests.yolo4.train.devices.two_blocks import TWO_BLOCKS

IMAGES, BATCH, EPOCHS = 24, 4, 2
_SETTINGS = {
    "network": TWO_BLOCKS.name,
    "input_size": 64,
    "epochs": EPOCHS,
    "batch_size": BATCH,
    "eval_period": EPOCHS,
    "freeze_epochs": 1,
    "freeze_batch_size": BATCH,
    "multi_scale": (0.875, 1.0),
    "optimizer": "sgd",
    "ema": 0.9,
    "precision": "float32",
    "sync_batch_norm": True,
    "save_minutes": 1e-9,
}


class Stopped(Exception):  # noqa: N818 - it is an event, not an error
    """Stands for a kill: nothing of the program runs afterwards."""


class StopAfter(keras.callbacks.Callback):
    """Ends the training after so many steps."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Count a step."""
        self.left -= 1
        if not self.left:
            raise Stopped


def main() -> None:
    data, devices, steps, *folders = sys.argv[1:]
    NETWORKS[TWO_BLOCKS.name] = TWO_BLOCKS
    # The settings read the list of networks when they are imported.
    from yolo4.config import Config
    from yolo4.train.loop import resume_run, train_model

    def callbacks(setup: object) -> list[StopAfter]:
        return [StopAfter(int(steps))]

    for folder in folders:
        with contextlib.suppress(Stopped):
            if Path(folder).exists():
                resume_run(folder, callbacks, devices=devices)
            else:
                config = Config(data=(data,), run_dir=folder, devices=devices, **_SETTINGS)
                train_model(config, callbacks)


if __name__ == "__main__":
    main()
