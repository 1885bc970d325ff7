"""How fast training batches reach Keras: PyDataset with threads against tf.data.

python -m benchmarks.training.input_pipeline --data <data set> measures images/s of both alternately
and prints the medians. The model does almost nothing, so that only the input pipeline is measured.
"""

import dataclasses
import os
import statistics
import time
from typing import TYPE_CHECKING

import numpy as np

from utils.annotations import load_dataset
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from yolo4.cli import clean_exit, parse
from yolo4.options import option
from yolo4.quiet import quiet_start

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class FeedingOptions:
    """The data and the input pipeline."""

    data: tuple[str, ...] = option((), "data set: folders or files")
    input_size: int = option(416, "pixels a side", low=32)
    batch_size: int = option(8, "images per batch", low=1)
    workers: int = option(2, "threads", low=1)
    repeats: int = option(3, "measured epochs of each", low=1)


def measure(options: FeedingOptions) -> None:
    """Print images/s of both input pipelines."""
    dataset = load_dataset(options.data, progress=False)
    size = (options.input_size, options.input_size)
    training = TrainingSet(dataset.splits["train"], size, 0, Augmentation(), 10**6)
    with quiet_start():
        model = _mean_pixel(size)
    pipelines = {"PyDataset": _py_dataset, "tf.data": _tf_data}
    rates: dict[str, list[float]] = {name: [] for name in pipelines}
    for epoch in range(options.repeats + 1):
        for name, make_batches in pipelines.items():
            batches = make_batches(training, epoch, options)
            start = time.perf_counter()
            model.fit(batches, shuffle=False, verbose=0)
            if epoch:  # the first warms up
                count = training.steps(options.batch_size) * options.batch_size
                rates[name].append(count / (time.perf_counter() - start))
    print(f"{os.cpu_count()} cores, {options.workers} workers, {options.input_size} pixels")
    for name, values in rates.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:10} {statistics.median(values):6.0f} images/s ({spread})")


def _mean_pixel(size: tuple[int, int]) -> "keras.Model":
    import keras

    images = keras.Input((*size, 3), dtype="uint8")
    model = keras.Model(images, keras.layers.Dense(1)(keras.ops.mean(images[:, 0, 0], -1)[:, None]))
    model.compile(optimizer="sgd", loss=lambda y_true, y_pred: keras.ops.mean(y_pred))
    return model


def _py_dataset(
    training: TrainingSet, epoch: int, options: FeedingOptions
) -> "keras.utils.PyDataset":
    from yolo4.train.batches import TrainingBatches

    class ImagesOnly(TrainingBatches):
        """Batches with a number in place of the boxes, which the model does not use."""

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            images = super().__getitem__(step)[0]
            return images, np.zeros((len(images), 1), np.float32)

    return ImagesOnly(training, options.batch_size, epoch, options.workers)


def _tf_data(training: TrainingSet, epoch: int, options: FeedingOptions) -> "tf.data.Dataset":
    import tensorflow as tf

    def make(step: int) -> np.ndarray:
        return training.batch(int(step), epoch, options.batch_size)[0]

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        batch = tf.numpy_function(make, [step], tf.uint8)
        batch = tf.ensure_shape(batch, (options.batch_size, *training.input_size, 3))
        return batch, tf.zeros((options.batch_size, 1))

    steps = tf.data.Dataset.range(training.steps(options.batch_size))
    return steps.map(load, options.workers, deterministic=True).prefetch(2)


if __name__ == "__main__":
    with clean_exit():
        measure(parse(FeedingOptions(), __doc__))
