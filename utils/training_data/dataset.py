"""Training and validation images with their boxes, in batches of fixed shape.

Both sets are plain picklable objects whose methods are pure functions, safe in any number of
threads or processes.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from utils.errors import UserError
from utils.image import Letterbox, letterbox
from utils.records import Record
from utils.training_data.augment import Augmentation, mixup, mosaic, scale_translate, shift_colors
from utils.training_data.compose import Sample
from utils.training_data.image_cache import Reader, read_record

# Images are made in parallel already: threads of OpenCV's own inside each would only fight for the
# cores. Set on import, so that it holds in every process that unpickles a set.
cv2.setNumThreads(1)

MOST_COMPOSITE_OBJECTS = 128

Targets = dict[str, np.ndarray]


class TrainingSet:
    """Augmented images in a new order each epoch.

    `sample(index, epoch)` is a function of the seed, the epoch and the index alone, so neither the
    number of workers nor an interruption changes a pixel.

    Attributes:
        max_objects: objects per image that a batch has room for. It holds every image whole and
            is a multiple of 8.
    """

    def __init__(
        self,
        records: Sequence[Record],
        input_size: tuple[int, int],
        seed: int,
        augmentation: Augmentation,
        epochs_with_special: int,
        read: Reader = read_record,
    ) -> None:
        """Prepare the set; no image is read yet.

        Args:
            records: the annotated images.
            input_size: height and width of the network's input in pixels.
            seed: of order and augmentation, 0 or more.
            augmentation: how strongly images are varied.
            epochs_with_special: mosaic and mixup are used in this many first epochs.
            read: gives the image of a record; a cache gives the same pixels sooner.

        Raises:
            UserError: there is no record.
        """
        self._records = _checked(records, "training")
        self.input_size = input_size
        self._seed = seed
        self._augmentation = augmentation
        self._special_epochs = epochs_with_special
        self._read = read
        self._counts = [len(record.labels) for record in self._records]
        self.max_objects = _room(self._counts, augmentation if epochs_with_special > 0 else None)

    def __len__(self) -> int:
        return len(self._records)

    def steps(self, batch_size: int) -> int:
        """Count the batches of an epoch."""
        return math.ceil(len(self) / batch_size)

    def order(self, epoch: int, batch_size: int) -> np.ndarray:
        """Draw the order of an epoch.

        Returns:
            int `[steps, batch_size]`, indices of images. Each occurs once; the last batch is
            filled up from the start.
        """
        return _order(self._seed, epoch, len(self), self.steps(batch_size), batch_size)

    def sample(self, index: int, epoch: int) -> Sample:
        """Make one augmented image.

        Args:
            index: which image, in the order of the records.
            epoch: counted from 0.

        Returns:
            The image in the input size and its objects.

        Raises:
            ImageError: an image it is made of can't be read.
        """
        rng = np.random.default_rng((self._seed, epoch, index))
        tiles, overlay = self._plan(index, epoch, rng)
        if len(tiles) == 1:
            sample = self._single(tiles[0], rng)
        else:
            sample = mosaic([*map(self._load, tiles)], self.input_size, self._augmentation, rng)
        if overlay is not None:
            sample = mixup(sample, self._single(overlay, rng), rng)
        image = shift_colors(sample.image, self._augmentation, rng)
        return Sample(image, sample.boxes, sample.labels, sample.difficult)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        """Make one batch of an epoch.

        Args:
            step: the batch in the epoch, `0 <= step < steps(batch_size)`.
            epoch: counted from 0.
            batch_size: images per batch; every batch has as many.

        Returns:
            Images uint8 `[B, H, W, 3]`, and `boxes` float32 `[B, M, 4]` xyxy in input pixels,
            `labels` int32 `[B, M]` with -1 where there is no object, `difficult` bool `[B, M]`.

        Raises:
            ImageError: an image can't be read.
        """
        indices = self.order(epoch, batch_size)[step]
        return _stack([self.sample(int(index), epoch) for index in indices], self.max_objects)

    def _plan(
        self, index: int, epoch: int, rng: np.random.Generator
    ) -> tuple[list[int], int | None]:
        """Draw the images of a sample: one or four, and perhaps one to blend in.

        A composite with more objects than a batch has room for becomes a smaller one.
        """
        chance_of_mosaic, chance_of_mixup = rng.random(2).tolist()
        use_mosaic = chance_of_mosaic < self._augmentation.mosaic
        use_mixup = chance_of_mixup < self._augmentation.mixup
        partners = rng.integers(len(self), size=4).tolist()
        if epoch >= self._special_epochs:
            return [index], None
        tiles = [index, *partners[:3]] if use_mosaic else [index]
        if self._count(tiles) > self.max_objects:
            tiles = [index]
        overlay = partners[3] if use_mixup else None
        if overlay is not None and self._count([*tiles, overlay]) > self.max_objects:
            overlay = None
        return tiles, overlay

    def _count(self, indices: Sequence[int]) -> int:
        """Objects of several images together."""
        return sum(self._counts[index] for index in indices)

    def _single(self, index: int, rng: np.random.Generator) -> Sample:
        """Make one image that fills the input."""
        return scale_translate(self._load(index), self.input_size, self._augmentation, rng)

    def _load(self, index: int) -> Sample:
        """Read an image as it is."""
        return _load(self._records[index], self._read)


class ValidationSet:
    """Images as they are, in the letterbox, in the order of the records.

    Attributes:
        max_objects: objects per image that a batch has room for, a multiple of 8.
    """

    def __init__(self, records: Sequence[Record], input_size: tuple[int, int]) -> None:
        """Prepare the set; no image is read yet.

        Args:
            records: the annotated images.
            input_size: height and width of the network's input in pixels.

        Raises:
            UserError: there is no record.
        """
        self._records = _checked(records, "validation")
        self.input_size = input_size
        self.max_objects = _room([len(record.labels) for record in self._records], None)

    def __len__(self) -> int:
        return len(self._records)

    def steps(self, batch_size: int) -> int:
        """Count the batches."""
        return math.ceil(len(self) / batch_size)

    def sample(self, index: int) -> tuple[Sample, Letterbox]:
        """Make one image in the input size, and what maps its boxes back to the source.

        Raises:
            ImageError: the image can't be read.
        """
        source = _load(self._records[index], read_record)
        image, box = letterbox(source.image, self.input_size)
        return Sample(image, box.apply(source.boxes), source.labels, source.difficult), box

    def batch(self, step: int, batch_size: int) -> tuple[np.ndarray, Targets, list[Letterbox]]:
        """Make one batch; the last one may be smaller.

        Args:
            step: the batch, `0 <= step < steps(batch_size)`.
            batch_size: images per batch.

        Returns:
            Images and targets as in `TrainingSet.batch`, and the letterbox of each image, which
            maps boxes in input pixels back to the source.

        Raises:
            ImageError: an image can't be read.
        """
        start = step * batch_size
        indices = range(start, min(start + batch_size, len(self)))
        samples, boxes = zip(*map(self.sample, indices), strict=True)
        return *_stack(samples, self.max_objects), list(boxes)


def _checked(records: Sequence[Record], split: str) -> list[Record]:
    """Copy the list, which must hold something."""
    if not records:
        raise UserError(f"The {split} split holds no image.")
    return list(records)


def _room(counts: Sequence[int], special: Augmentation | None) -> int:
    """Decide how many objects an image of a batch has room for.

    Args:
        counts: objects of each image.
        special: where mosaic and mixup are used, with which probabilities.
    """
    largest = max(counts)
    images = 1
    if special is not None:
        images = (4 if special.mosaic > 0 else 1) + (1 if special.mixup > 0 else 0)
    room = max(largest, min(images * largest, MOST_COMPOSITE_OBJECTS), 1)
    return math.ceil(room / 8) * 8


@lru_cache(maxsize=2)  # every batch of an epoch asks for it
def _order(seed: int, epoch: int, count: int, steps: int, batch_size: int) -> np.ndarray:
    # A sample draws from (seed, epoch, index): one past the last index is free for the order.
    rng = np.random.default_rng((seed, epoch, count))
    order = np.resize(rng.permutation(count), (steps, batch_size))
    order.flags.writeable = False
    return order


def _load(record: Record, read: Reader) -> Sample:
    return Sample(read(record), record.boxes, record.labels, record.difficult)


def _stack(samples: Sequence[Sample], max_objects: int) -> tuple[np.ndarray, Targets]:
    """Pad the objects of each sample to one number and stack everything."""
    boxes = np.zeros((len(samples), max_objects, 4), np.float32)
    labels = np.full((len(samples), max_objects), -1, np.int32)
    difficult = np.zeros((len(samples), max_objects), bool)
    for row, sample in enumerate(samples):
        count = len(sample.labels)
        boxes[row, :count] = sample.boxes
        labels[row, :count] = sample.labels
        difficult[row, :count] = sample.difficult
    images = np.stack([sample.image for sample in samples])
    return images, {"boxes": boxes, "labels": labels, "difficult": difficult}
