"""Reads the images that a run is trained and validated on, and augments those of training."""

import dataclasses
from collections.abc import Sequence

from utils.annotations import DataSet, FoundData, load_dataset
from utils.errors import UserError
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.image_cache import DiskCache, MemoryCache, Reader, read_record
from utils.training_data.worker_processes import process_count
from yolo4.config import Config
from yolo4.run import RUNS, Run

CACHE = RUNS / "cache"


def read_data(
    config: Config, names: Sequence[str] | None, run: Run, found: FoundData | None = None
) -> DataSet:
    """Read a data set in which neither train nor val is empty or without usable objects.

    Args:
        config: the settings.
        names: the classes and their order; None: those of the data set.
        run: the run that the data is for.
        found: what `find_data` has found, if its splits are to be others; None: those at
            `config.data`.

    Raises:
        UserError: the data is not usable.
    """
    dataset = load_dataset(
        found or config.data,
        names,
        config.on_bad_data,
        config.split_seed,
        report_file=run.data_report_file,
    )
    for split in ("train", "val"):
        if not dataset.splits.get(split):
            existing = ", ".join(dataset.splits)
            raise UserError(f"the data has no usable image for {split}; its splits: {existing}")
    for split in ("train", "val"):
        if all(record.difficult.all() for record in dataset.splits[split]):
            raise UserError(f"the images for {split} hold no object that is not difficult")
    return dataset


def require_batches(config: Config, records: Sequence[Record]) -> None:
    """Refuse a multi-scale training with a single batch per epoch; see `TrainingBatches`.

    Raises:
        UserError: all training images are one batch.
    """
    sizes = [config.batch_size, config.freeze_batch_size][: 2 if config.freeze_epochs else 1]
    if config.multi_scale and max(sizes) >= len(records):
        raise UserError(
            f"--multi-scale needs at least two batches in an epoch, but the {len(records)} "
            f"training images are one batch of {max(sizes)}"
        )


def claim_cache(config: Config, records: Sequence[Record]) -> None:
    """Print how much memory or disk the cache of the training images will take.

    Raises:
        UserError: they take too much, or the folder of the cache cannot be written.
    """
    match _reader(config):
        case MemoryCache() as cache:
            print(cache.claim(records, process_count(config.workers)))
        case DiskCache() as cache:
            print(cache.claim(records))


def training_set(
    config: Config, records: Sequence[Record], read: Reader | None = None
) -> TrainingSet:
    """Training images, augmented according to the settings.

    Args:
        config: the settings.
        records: the training split.
        read: reads the pixels of a record; None: through the cache that the settings name.
    """
    names = [field.name for field in dataclasses.fields(Augmentation)]
    return TrainingSet(
        records,
        config.input_shape,
        config.seed,
        Augmentation(**{name: getattr(config, name) for name in names}),
        composite_epochs=round(config.special_aug_ratio * config.epochs),
        read=read or _reader(config),
        resize=config.resize,
        sizes=config.training_sizes,
    )


def _reader(config: Config) -> Reader:
    match config.cache:
        case "ram":
            return MemoryCache()
        case "disk":
            return DiskCache(CACHE)
    return read_record
