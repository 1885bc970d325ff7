"""Validation images with their boxes, in batches of fixed shape."""

import math
from collections.abc import Sequence

import numpy as np

from utils.letterbox import Letterbox, fit_image
from utils.records import Record
from utils.resize import Resize
from utils.training_data.compose import Sample
from utils.training_data.dataset import Targets, capacity, checked, load_sample, stack
from utils.training_data.image_cache import read_record


class ValidationSet:
    """Images fitted to the input, not augmented, in the order of the records.

    Attributes:
        input_size: height and width of the network's input in pixels.
        max_objects: objects per image that a batch can hold, a multiple of 8.
    """

    def __init__(
        self,
        records: Sequence[Record],
        input_size: tuple[int, int],
        resize: Resize = "letterbox",
    ) -> None:
        """Create the set; no image is read yet.

        Args:
            records: the annotated images.
            input_size: height and width of the network's input in pixels.
            resize: how images are fitted to the input.

        Raises:
            UserError: `records` is empty.
        """
        self._records = checked(records, "validation")
        self.input_size = input_size
        self._resize: Resize = resize
        self.max_objects = capacity([len(record.labels) for record in self._records], None)

    def __len__(self) -> int:
        return len(self._records)

    def steps(self, batch_size: int) -> int:
        """Count the batches."""
        return math.ceil(len(self) / batch_size)

    def sample(self, index: int) -> tuple[Sample, Letterbox]:
        """Make one image in the input size, and its letterbox, which maps boxes back to the source.

        Raises:
            ImageError: the image cannot be read.
        """
        source = load_sample(self._records[index], read_record)
        image, fit = fit_image(source.image, self.input_size, self._resize)
        return Sample(image, fit.apply(source.boxes), source.labels, source.difficult), fit

    def batch(self, step: int, batch_size: int) -> tuple[np.ndarray, Targets, list[Letterbox]]:
        """Make one batch; the last one may be smaller.

        Args:
            step: the batch, `0 <= step < steps(batch_size)`.
            batch_size: images per batch.

        Returns:
            Images and targets as in `TrainingSet.batch`, and the letterbox of each image.

        Raises:
            ImageError: an image cannot be read.
        """
        start = step * batch_size
        indices = range(start, min(start + batch_size, len(self)))
        samples, letterboxes = zip(*map(self.sample, indices), strict=True)
        return *stack(samples, self.max_objects), list(letterboxes)
