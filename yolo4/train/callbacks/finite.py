"""Stops a training whose loss or weights are no longer finite."""

import json
import math
from typing import NoReturn

import keras
import numpy as np

from nets.losses import TERMS
from utils.errors import UserError
from utils.files.writing import write_atomically
from yolo4.run import Run
from yolo4.train.callbacks import Logs

_ADVICE = (
    "the weights of the last good epoch are kept. Try a lower --learning-rate, a lower "
    "--gradient-clip, more --warmup-epochs or --precision float32"
)


class NonFiniteLossError(UserError):
    """The loss or a weight became NaN or infinite."""


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops the training at the first step whose loss is NaN or infinite.

    It has to precede the callbacks that save weights. The run keeps the reason, which says that it
    has failed.

    Args:
        run: receives the reason.

    Raises:
        NonFiniteLossError: names the epoch, the step and the term, and advises what to change.
    """

    def __init__(self, run: Run) -> None:
        super().__init__()
        self.run = run

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch for the error message."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the running mean of each term, which never becomes finite again."""
        bad = [name for name in (*TERMS, "loss") if not math.isfinite(logs[name])]
        if bad:
            self._fail(
                f"the {bad[0]} loss is {logs[bad[0]]} at epoch {self.epoch + 1}, step {batch + 1}; "
                f"{_ADVICE}"
            )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the weights: no loss has seen the last update yet."""
        if not has_finite_weights(self.model):
            self._fail(
                f"the last step of epoch {epoch + 1} made weights NaN or infinite; {_ADVICE}"
            )

    def _fail(self, reason: str) -> NoReturn:
        write_atomically(self.run.failure_file, json.dumps({"reason": reason}) + "\n")
        raise NonFiniteLossError(reason)


def has_finite_weights(model: keras.Model) -> bool:
    """Whether no weight is NaN or infinite."""
    return all(np.isfinite(weight).all() for weight in model.get_weights())
