"""A progress bar, and how fast the training is."""

import time

import keras

from utils.progress import progress_bar
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import Logs
from yolo4.train.state.progress import Progress


class ProgressBar(keras.callbacks.Callback):
    """A progress bar per epoch with the loss terms; logs speed, waiting and learning rate.

    Args:
        epochs: epochs of the whole training.
        batches: the training batches.
        progress: the time of the finished steps of an epoch; updated after each step.
    """

    def __init__(self, epochs: int, batches: TrainingBatches, progress: Progress) -> None:
        super().__init__()
        self.epochs = epochs
        self.batches = batches
        self.progress = progress
        self.bar = progress_bar(shown=False)

    def close(self) -> None:
        """Remove the bar from the screen, even in the middle of an epoch."""
        self.bar.close()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Open the bar."""
        self.start = time.perf_counter() - self.progress.seconds
        size, done = self.batches.batch_size, self.batches.first_step
        self.images = (done + self.params["steps"]) * size
        self.bar = progress_bar(
            total=self.images,
            initial=done * size,
            desc=f"epoch {epoch + 1}/{self.epochs}",
            unit="image",
            leave=False,
        )

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Remember when the step begins; it begins by taking its batch."""
        self.step_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Advance the bar."""
        self.progress.waited += self.batches.waiting_time(batch, self.step_start)
        self.progress.seconds = time.perf_counter() - self.start
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in logs.items()}, refresh=False)
        self.bar.update(self.batches.batch_size)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Close the bar; log speed, the fraction of time spent waiting and the learning rate."""
        self.close()
        seconds = time.perf_counter() - self.start
        logs["images_per_second"] = self.images / seconds
        logs["waited_for_data"] = self.progress.waited / seconds
        logs["lr"] = float(self.model.optimizer.learning_rate)
