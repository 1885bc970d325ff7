"""Saves the state of a training within an epoch, and continues an epoch from there."""

import time

import keras

from yolo4.run import Run
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import Logs
from yolo4.train.callbacks.finite import has_finite_weights
from yolo4.train.state.checkpoint import load_running_means, save_state
from yolo4.train.state.progress import Progress

_SECONDS = 60.0
# The rest of an epoch is continued only if it has two batches, from which Keras learns the shapes.
_LEAST_REST = 2


class SaveWithinEpoch(keras.callbacks.Callback):
    """Saves the state every few minutes of an epoch, and restores the running means of the losses.

    The data order and the augmentation depend on the seed, the epoch and the step alone, and all
    other variables are in the state. So an epoch that is continued ends like one that was never
    interrupted.

    Args:
        run: receives the state.
        progress: written with the state; updated.
        batches: the training batches.
        minutes: between saves; 0: never.
    """

    def __init__(
        self, run: Run, progress: Progress, batches: TrainingBatches, minutes: float
    ) -> None:
        super().__init__()
        self.run = run
        self.progress = progress
        self.batches = batches
        self.seconds = minutes * _SECONDS

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock. Keras has just reset the running means."""
        self.saved = time.monotonic()
        if self.progress.step:
            load_running_means(self.run.state_file, self.model)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Save if it is due, unless the end of the epoch is near or a weight is not finite."""
        rest = len(self.batches) - (batch + 1)
        is_due = self.seconds and time.monotonic() - self.saved >= self.seconds
        if not is_due or rest < _LEAST_REST:
            return
        _update_variables(self.model)
        if has_finite_weights(self.model):
            self.progress.step = self.batches.first_step + batch + 1
            save_state(self.run.state_file, self.model, self.progress)
            self.saved = time.monotonic()


def _update_variables(model: keras.Model) -> None:
    """Give the variables their values: within an epoch on JAX, Keras keeps them elsewhere."""
    if keras.backend.backend() == "jax":
        model.jax_state_sync()
