"""How fast training batches reach Keras: PyDataset with threads against tf.data.

python -m benchmarks.feeding --data <data set> prints images/s of both, in turns, with the median
of the repeats. The model that takes them does next to nothing, so the feeding is what is measured.
"""

import dataclasses
import os
import statistics
import time

import numpy as np

from utils.annotations import load_dataset
from utils.augment import Augmentation
from utils.dataset import TrainingSet
from yolo4.cli import parse, run_command
from yolo4.options import option
from yolo4.quiet import quiet_start


@dataclasses.dataclass(frozen=True)
class FeedingOptions:
    """What is measured."""

    data: tuple[str, ...] = option((), "data set: folders or files")
    input_size: int = option(416, "pixels a side", low=32)
    batch_size: int = option(8, "images per batch", low=1)
    workers: int = option(2, "threads", low=1)
    repeats: int = option(3, "epochs measured of each", low=1)


def measure(options: FeedingOptions) -> None:
    """Print images/s of both ways of feeding."""
    dataset = load_dataset(options.data, progress=False)
    with quiet_start():
        import keras
        import tensorflow as tf

        from yolo4.feeding import TrainingBatches

    size = (options.input_size, options.input_size)
    training = TrainingSet(dataset.splits["train"], size, 0, Augmentation(), 10**6)
    steps = training.steps(options.batch_size)

    images = keras.Input((*size, 3), dtype="uint8")
    model = keras.Model(images, keras.layers.Dense(1)(keras.ops.mean(images[:, 0, 0], -1)[:, None]))
    model.compile(optimizer="sgd", loss=lambda y_true, y_pred: keras.ops.mean(y_pred))

    class ImagesOnly(TrainingBatches):
        """Batches with a number in place of the boxes, as the model has no use for these."""

        def __getitem__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
            images = super().__getitem__(step)[0]
            return images, np.zeros((len(images), 1), np.float32)

    def with_py_dataset(epoch: int) -> object:
        return ImagesOnly(training, options.batch_size, epoch, options.workers)

    def with_tf_data(epoch: int) -> object:
        def make(step: int) -> object:
            return training.batch(int(step), epoch, options.batch_size)[0]

        def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            batch = tf.numpy_function(make, [step], tf.uint8)
            batch = tf.ensure_shape(batch, (options.batch_size, *size, 3))
            return batch, tf.zeros((options.batch_size, 1))

        made = tf.data.Dataset.range(steps).map(load, options.workers, deterministic=True)
        return made.prefetch(2)

    ways = {"PyDataset": with_py_dataset, "tf.data": with_tf_data}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for epoch in range(options.repeats + 1):
        for name, make_feed in ways.items():
            feed = make_feed(epoch)
            start = time.perf_counter()
            model.fit(feed, shuffle=False, verbose=0)
            if epoch:  # the first warms up
                rates[name].append(steps * options.batch_size / (time.perf_counter() - start))
    print(f"{os.cpu_count()} cores, {options.workers} workers, {options.input_size} pixels")
    for name, values in rates.items():
        spread = f"{min(values):.0f} to {max(values):.0f}"
        print(f"{name:10} {statistics.median(values):6.0f} images/s ({spread})")


if __name__ == "__main__":
    run_command(lambda: measure(parse(FeedingOptions(), __doc__)))
