"""Counts the positives of an average training image, by which the loss is divided."""

import keras
import numpy as np

from nets.assign import assign
from utils.records import Record
from utils.training_data.dataset import TrainingSet, stack
from yolo4.config import Config

_IMAGES = 512
_BATCH = 64
# With few objects, more images are counted, so that chance changes the mean by less than a tenth.
_POSITIVES = 200
_MOST_IMAGES = 16 * _IMAGES


def blank_image(record: Record) -> np.ndarray:
    """Black pixels in the size of a record's image, uint8 `[H, W, 3]`: boxes need no others."""
    width, height = record.size
    return np.zeros((height, width, 3), np.uint8)


def count_positives_per_image(dataset: TrainingSet, config: Config, anchors: np.ndarray) -> float:
    """Mean number of predictors that are assigned to an object in an augmented training image.

    The images are spread over all epochs, since not all of them use mosaic and mixup. Equal
    settings and data give equal counts.

    Args:
        dataset: the training images; `blank_image` may replace their pixels.
        config: the settings of the run.
        anchors: `[L * A, 2]`, width and height in input pixels.

    Returns:
        The mean, above 0.
    """
    network = config.network_spec
    grids = network.grids(config.input_shape)
    order = dataset.order(epoch=0, batch_size=1)[:, 0]
    images = positives = 0
    while images < _IMAGES or (positives < _POSITIVES and images < _MOST_IMAGES):
        numbers = range(images, images + _BATCH)
        samples = [dataset.sample(int(order[n % len(order)]), n % config.epochs) for n in numbers]
        _, targets = stack(samples, dataset.max_objects)
        assignment = assign(
            targets["boxes"],
            targets["labels"] >= 0,
            targets["difficult"],
            anchors.tolist(),
            network.strides,
            grids,
            config.anchor_match_threshold,
        )
        positives += int(keras.ops.sum(assignment.positive))
        images += _BATCH
    return max(positives, 1) / images
