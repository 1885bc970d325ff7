"""Runs a detector over the annotated images of a split."""

from collections.abc import Callable, Sequence

import numpy as np

from utils.errors import UserError
from utils.image import read_image
from utils.progress import progress_bar
from utils.records import Detections, Record
from yolo4.inference.pipeline import in_batches, overlapped

Detect = Callable[[list[np.ndarray]], list[Detections]]


def detect_records(
    detect: Detect,
    records: Sequence[Record],
    batch_size: int = 8,
    progress: bool = True,
    parallel: int = 1,
    shape: Callable[[Record], tuple[int, int]] | None = None,
) -> list[Detections]:
    """Run a detector over the images of records; the next images are read while it runs.

    Args:
        detect: from RGB images, uint8 `[H, W, 3]` each, to the detections in each.
        records: the annotated images.
        batch_size: images per call.
        progress: show a progress bar.
        parallel: threads that call the detector; with one, it is called on the caller's thread.
        shape: height and width of a record in the network's input. Records of like shape are
            passed to `detect` one after another; None: all records in their order.

    Returns:
        The detections in each image, in the order of the records.

    Raises:
        ImageError: an image cannot be read.
    """
    order = list(range(len(records)))
    if shape is not None:
        order.sort(key=lambda number: shape(records[number]))
    found: list[Detections] = []
    images = overlapped(lambda number: read_image(records[number].image), order, 2, 2 * batch_size)
    with progress_bar(total=len(records), desc="detecting", unit="image", shown=progress) as bar:
        batches = in_batches(images, batch_size)
        if parallel == 1:
            results = map(detect, batches)
        else:
            results = overlapped(detect, batches, parallel, parallel)
        for detections in results:
            found += detections
            bar.update(len(detections))
    by_number = dict(zip(order, found, strict=True))
    return [by_number[number] for number in range(len(records))]


def choose_records(splits: dict[str, list[Record]], split: str | None) -> tuple[str, list[Record]]:
    """The name and the records of a split.

    Args:
        splits: records by split.
        split: the split's name; "all": the records of all splits; None: test if the data has it,
            else val.

    Raises:
        UserError: there is no such split.
    """
    if split == "all":
        return split, [record for records in splits.values() for record in records]
    choices = (split,) if split else ("test", "val")
    for name in choices:
        if splits.get(name):
            return name, splits[name]
    existing = ", ".join(name for name, records in splits.items() if records)
    missing = " or ".join(map(repr, choices))
    raise UserError(f"the data has no split {missing}; it has: {existing}")
