"""Training images with their boxes, in batches of fixed shape.

A set is a picklable object whose methods are pure functions, safe to call from any number of
threads or processes.
"""

import copy
import math
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from utils.errors import UserError
from utils.records import CompactRecords, Record
from utils.resize import Resize
from utils.training_data.augment import Augmentation, mixup, mosaic, scale_translate, shift_colors
from utils.training_data.compose import Sample
from utils.training_data.cutmix import cutmix
from utils.training_data.image_cache import Reader, read_record
from utils.training_data.sizes import Size

# Images are already made in parallel, so OpenCV's own threads would only compete for the cores.
# Set at import, so that it applies in every process that unpickles a set.
cv2.setNumThreads(1)

MAX_COMPOSITE_OBJECTS = 128

Targets = dict[str, np.ndarray]


class TrainingSet:
    """Augmented images in a new order each epoch.

    `sample(index, epoch)` depends only on the seed, the epoch and the index, so neither the number
    of workers nor an interruption changes a pixel.

    Attributes:
        input_size: height and width of the network's input in pixels.
        sizes: sizes that batches can have.
        max_objects: objects per image that a batch can hold, a multiple of 8 and at least the
            number of objects of any image.
    """

    def __init__(
        self,
        records: Sequence[Record],
        input_size: Size,
        seed: int,
        augmentation: Augmentation,
        composite_epochs: int,
        read: Reader = read_record,
        resize: Resize = "letterbox",
        sizes: Sequence[Size] = (),
    ) -> None:
        """Create the set; no image is read yet.

        Args:
            records: the annotated images.
            input_size: height and width of the network's input in pixels.
            seed: of order and augmentation, at least 0.
            augmentation: how strongly images are varied.
            composite_epochs: mosaic, mixup and CutMix are used in this many epochs, from the first
                one.
            read: reads the image of a record; a cache returns the same pixels faster.
            resize: how images are fitted to the input.
            sizes: heights and widths of batches, if not all have the input size.

        Raises:
            UserError: `records` is empty.
        """
        self._records = CompactRecords.of(checked(records, "training"))  # copied to every worker
        self.input_size = input_size
        self.sizes = tuple(sizes) or (input_size,)
        self._seed = seed
        self._augmentation = augmentation
        self._composite_epochs = composite_epochs
        self._read = read
        self._resize: Resize = resize
        self._share = (0, 1)
        self._counts = [len(record.labels) for record in records]
        composite = augmentation if composite_epochs > 0 else None
        self.max_objects = capacity(self._counts, composite)

    def __len__(self) -> int:
        return len(self._records)

    def share(self, number: int, count: int) -> "TrainingSet":
        """The same set, but of each batch it makes only one of equal parts.

        Args:
            number: of the part, from 0.
            count: of the parts, which divides the batch size.
        """
        shared = copy.copy(self)
        shared._share = (number, count)
        return shared

    def steps(self, batch_size: int) -> int:
        """Count the batches of an epoch."""
        return math.ceil(len(self) / batch_size)

    def order(self, epoch: int, batch_size: int) -> np.ndarray:
        """Draw the order of an epoch.

        Returns:
            int `[steps, batch_size]`, indices of images. Each occurs once, except that the last
            batch is filled with the first ones.
        """
        return _order(self._seed, epoch, len(self), self.steps(batch_size), batch_size)

    def size(self, step: int, epoch: int) -> Size:
        """Draw the size of a batch. In an epoch, each size comes once before any comes again.

        Args:
            step: the batch in the epoch.
            epoch: counted from 0.
        """
        turn, place = divmod(step, len(self.sizes))
        # Samples and the order use (seed, epoch, number), up to the number of images.
        rng = np.random.default_rng((self._seed, epoch, len(self) + 1, turn))
        return self.sizes[rng.permutation(len(self.sizes))[place]]

    def sample(self, index: int, epoch: int, size: Size | None = None) -> Sample:
        """Make one augmented image.

        Args:
            index: of the image, in the order of the records.
            epoch: counted from 0.
            size: its height and width; None: the input size. The random choices are the same.

        Returns:
            The image and its objects.

        Raises:
            ImageError: one of its source images cannot be read.
        """
        rng = np.random.default_rng((self._seed, epoch, index))
        tiles, overlay = self._plan(index, epoch, rng)
        size = size or self.input_size
        if len(tiles) == 1:
            sample = self._single(tiles[0], size, rng)
        else:
            sources = [*map(self._load, tiles)]
            sample = mosaic(sources, size, self._augmentation, rng, self._resize)
        if overlay is not None:
            sample = mixup(sample, self._single(overlay, size, rng), rng)
        if self._augmentation.cutmix:
            sample = self._with_cutmix(sample, index, epoch)
        image = shift_colors(sample.image, self._augmentation, rng)
        return Sample(image, sample.boxes, sample.labels, sample.difficult)

    def batch(self, step: int, epoch: int, batch_size: int) -> tuple[np.ndarray, Targets]:
        """Make one batch of an epoch, or this set's share of it.

        Args:
            step: the batch in the epoch, `0 <= step < steps(batch_size)`.
            epoch: counted from 0.
            batch_size: images per batch, in the last batch too.

        Returns:
            Images uint8 `[B, H, W, 3]`, all of the size that `size` returns, and `boxes` float32
            `[B, M, 4]` xyxy in their pixels, `labels` int32 `[B, M]`, padded with -1, `difficult`
            bool `[B, M]`.

        Raises:
            ImageError: an image cannot be read.
        """
        number, count = self._share
        indices = np.split(self.order(epoch, batch_size)[step], count)[number]
        size = self.size(step, epoch)
        return stack([self.sample(int(index), epoch, size) for index in indices], self.max_objects)

    def _plan(
        self, index: int, epoch: int, rng: np.random.Generator
    ) -> tuple[list[int], int | None]:
        """Choose the images of a sample at random: one or four, and perhaps one to blend in.

        A composite with more objects than a batch can hold is reduced.
        """
        mosaic_draw, mixup_draw = rng.random(2).tolist()
        use_mosaic = mosaic_draw < self._augmentation.mosaic
        use_mixup = mixup_draw < self._augmentation.mixup
        partners = rng.integers(len(self), size=4).tolist()
        if epoch >= self._composite_epochs:
            return [index], None
        tiles = [index, *partners[:3]] if use_mosaic else [index]
        if self._count(tiles) > self.max_objects:
            tiles = [index]
        overlay = partners[3] if use_mixup else None
        if overlay is not None and self._count([*tiles, overlay]) > self.max_objects:
            overlay = None
        return tiles, overlay

    def _with_cutmix(self, sample: Sample, index: int, epoch: int) -> Sample:
        """Perhaps paste a part of another image, if a batch can hold the objects of both."""
        # Not the generator of the sample, whose other choices shall be the same without CutMix.
        rng = np.random.default_rng((self._seed, epoch, index, 1))
        is_drawn, partner = rng.random() < self._augmentation.cutmix, int(rng.integers(len(self)))
        room = self.max_objects - len(sample.labels)
        if epoch >= self._composite_epochs or not is_drawn or self._counts[partner] > room:
            return sample
        return cutmix(sample, self._load(partner), self._augmentation, rng, self._resize)

    def _count(self, indices: Sequence[int]) -> int:
        """The number of objects of several images together."""
        return sum(self._counts[index] for index in indices)

    def _single(self, index: int, size: Size, rng: np.random.Generator) -> Sample:
        """Make one image that has the input to itself."""
        source = self._load(index)
        return scale_translate(source, size, self._augmentation, rng, self._resize)

    def _load(self, index: int) -> Sample:
        """Read an image and its objects, not augmented."""
        return load_sample(self._records[index], self._read)


def checked(records: Sequence[Record], split: str) -> list[Record]:
    """Copy the records of a split.

    Raises:
        UserError: there is none.
    """
    if not records:
        raise UserError(f"the {split} split holds no image")
    return list(records)


def capacity(counts: Sequence[int], composite: Augmentation | None) -> int:
    """Decide how many objects an image of a batch can hold.

    Args:
        counts: number of objects of each image.
        composite: probabilities of mosaic, mixup and CutMix; None: they are not used.
    """
    largest = max(counts)
    images = 1
    if composite is not None:
        images = (4 if composite.mosaic > 0 else 1) + (composite.mixup > 0) + (composite.cutmix > 0)
    capacity = max(largest, min(images * largest, MAX_COMPOSITE_OBJECTS), 1)
    return math.ceil(capacity / 8) * 8


@lru_cache(maxsize=2)  # every batch of an epoch needs it
def _order(seed: int, epoch: int, count: int, steps: int, batch_size: int) -> np.ndarray:
    # Samples use (seed, epoch, index), so one past the last index is unused.
    rng = np.random.default_rng((seed, epoch, count))
    order = np.resize(rng.permutation(count), (steps, batch_size))
    order.flags.writeable = False
    return order


def load_sample(record: Record, read: Reader) -> Sample:
    """Read an image and its objects, not augmented."""
    return Sample(read(record), record.boxes, record.labels, record.difficult)


def stack(samples: Sequence[Sample], max_objects: int) -> tuple[np.ndarray, Targets]:
    """Stack samples of the same size to a batch, as `TrainingSet.batch` returns it.

    Args:
        samples: the images.
        max_objects: objects per image that the batch can hold.
    """
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
