"""Passes the batches of a training set to Keras."""

import contextlib
import time
from collections.abc import Iterator

import keras
import numpy as np

from utils.errors import UserError
from utils.training_data.dataset import Targets, TrainingSet
from utils.training_data.worker_processes import ProcessBatchMaker


class TrainingBatches(keras.utils.PyDataset):
    """The batches of a training set, epoch after epoch, made ahead of time by worker threads.

    Under TensorFlow, Keras learns from the first two batches which dimensions vary, and traces the
    training step once for all sizes if both sides do. In a multi-scale training they do:
    `TrainingSet.size` uses each size once before any comes again, and no two sizes share a side.

    Args:
        maker: makes the batches.
        batch_size: images per step.
        epoch: the first epoch, counted from 0.
        workers: number of threads that request batches.
        first_step: batches of each epoch that are left out, at its start. Keras counts the rest
            from 0.
    """

    def __init__(
        self,
        maker: TrainingSet | ProcessBatchMaker,
        batch_size: int,
        epoch: int,
        workers: int,
        first_step: int = 0,
    ) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers)
        self.maker = maker
        self.batch_size = batch_size
        self.epoch = epoch
        self.first_step = first_step
        self._left_out = 0
        self._epoch_has_begun = False
        self._error: UserError | None = None
        self._ready_times: dict[int, float] = {}

    def __len__(self) -> int:
        return self.maker.steps(self.batch_size) - self.first_step

    def __getitem__(self, step: int) -> tuple[np.ndarray, Targets]:
        try:
            batch = self.maker.batch(self._left_out + step, self.epoch, self.batch_size)
        except UserError as error:
            self._error = error
            raise
        self._ready_times[step] = time.perf_counter()
        return batch

    def waiting_time(self, step: int, start: float) -> float:
        """Seconds that a finished step of this epoch waited until its batch was ready.

        Args:
            step: counted from 0.
            start: when the step began, from `time.perf_counter`.
        """
        return max(0.0, self._ready_times[step] - start)

    def on_epoch_begin(self) -> None:
        """Keras calls this when an epoch begins."""
        self._epoch_has_begun = True

    def on_epoch_end(self) -> None:
        """Advance to the next epoch. Keras calls this while no worker is running.

        It also calls this once before the first epoch, which does not count, after it has looked at
        the first two batches. Those are the first of the whole epoch, whose sizes differ.
        """
        self._left_out = self.first_step
        self.epoch += self._epoch_has_begun
        self._epoch_has_begun = False

    @contextlib.contextmanager
    def original_errors(self) -> Iterator[None]:
        """Within the block, an unreadable image raises its own UserError.

        TensorFlow would wrap it in an error with a long traceback.
        """
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
