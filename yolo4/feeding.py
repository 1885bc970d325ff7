"""Feeds a training set to Keras."""

import keras
import numpy as np

from utils.dataset import Targets, TrainingSet


class TrainingBatches(keras.utils.PyDataset):
    """The batches of a training set, epoch after epoch, made by worker threads ahead of time.

    Args:
        dataset: the images.
        batch_size: images per step.
        epoch: the first epoch, counted from 0.
        workers: threads. They share the images' memory, and OpenCV lets them run side by side.
    """

    def __init__(self, dataset: TrainingSet, batch_size: int, epoch: int, workers: int) -> None:
        super().__init__(workers=workers, max_queue_size=2 * workers)
        self.dataset = dataset
        self.batch_size = batch_size
        self.epoch = epoch

    def __len__(self) -> int:
        return self.dataset.steps(self.batch_size)

    def __getitem__(self, step: int) -> tuple[np.ndarray, Targets]:
        return self.dataset.batch(step, self.epoch, self.batch_size)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch; Keras calls this when no worker is running."""
        self.epoch += 1
