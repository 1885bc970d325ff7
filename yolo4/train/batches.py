"""Feeds a training set to Keras."""

import contextlib
import time
from collections.abc import Iterator

import keras
import numpy as np

from utils.errors import UserError
from utils.training_data.dataset import Targets, TrainingSet
from utils.training_data.worker_processes import InProcesses


class TrainingBatches(keras.utils.PyDataset):
    """The batches of a training set, epoch after epoch, made by worker threads ahead of time.

    Args:
        maker: makes them.
        batch_size: images per step.
        epoch: the first epoch, counted from 0.
        workers: threads that ask for batches.
    """

    def __init__(
        self, maker: TrainingSet | InProcesses, batch_size: int, epoch: int, workers: int
    ) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers)
        self.maker = maker
        self.batch_size = batch_size
        self.epoch = epoch
        self._begun = False
        self._error: UserError | None = None
        self._made: dict[int, float] = {}

    def __len__(self) -> int:
        return self.maker.steps(self.batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, Targets]:
        try:
            batch = self.maker.batch(step, self.epoch, self.batch_size)
        except UserError as error:
            self._error = error
            raise
        self._made[step] = time.perf_counter()
        return batch

    def waited(self, step: int, begun: float) -> float:
        """Seconds that a step of this epoch, now over, had to wait for its batch to be made.

        Args:
            step: counted from 0.
            begun: when it began, by `time.perf_counter`.
        """
        return max(0.0, self._made[step] - begun)

    def on_epoch_begin(self) -> None:
        """Keras calls this when an epoch begins."""
        self._begun = True

    def on_epoch_end(self) -> None:
        """Go on to the next epoch; Keras calls this when no worker is running.

        It calls this once before the first epoch as well, which does not count.
        """
        self.epoch += self._begun
        self._begun = False

    @contextlib.contextmanager
    def own_errors(self) -> Iterator[None]:
        """Within the block, an image that can't be read raises the UserError that says so.

        Without it, TensorFlow passes it on as an error of its own with a long traceback.
        """
        try:
            yield
        except Exception:
            if self._error is not None:
                raise self._error from None
            raise
