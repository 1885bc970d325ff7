"""Settles everything that a training needs before its network is built: data, classes, anchors."""

import dataclasses
import time
from pathlib import Path

import numpy as np

from utils.anchors import (
    box_sizes,
    format_anchors,
    kmeans_anchors,
    mean_best_iou,
    read_anchors,
)
from utils.annotations import DataSet, FoundData, ScanReport, load_dataset
from utils.annotations.digest import DataDigest
from utils.errors import UserError
from utils.records import Record
from utils.text import chosen_class_names
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.image_cache import DiskCache, MemoryCache, Reader, read_record
from utils.training_data.worker_processes import process_count
from yolo4.config import Config
from yolo4.options import flag
from yolo4.run import RUNS, Run
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data
from yolo4.train.positives import blank_image, count_positives_per_image
from yolo4.weights.source import WeightsSource, open_weights

CACHE = RUNS / "cache"
_WEIGHTS_SUFFIXES = (".h5", ".keras", ".weights")


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSetup:
    """A run and everything needed to start or resume it.

    Attributes:
        run: its folder.
        config: its settings.
        class_names: names of the classes.
        anchors: float32 `[L * A, 2]`, width and height in input pixels.
        train: training images.
        val: validation images.
        data_report: what was skipped or changed in the data.
        weights: the initial weights; None for random ones, and if the run is resumed.
    """

    run: Run
    config: Config
    class_names: tuple[str, ...]
    anchors: np.ndarray
    train: list[Record]
    val: list[Record]
    data_report: ScanReport
    weights: WeightsSource | None


def new_run(config: Config) -> Run:
    """The run of `--run-dir`, or one that is named by the current time."""
    return Run(Path(config.run_dir or RUNS / time.strftime("%Y-%m-%d_%H-%M-%S")))


def prepare(config: Config, found: FoundData | None = None) -> TrainingSetup:
    """Read the data and settle the settings, classes, anchors and run folder of a new run.

    Nothing is written to the run folder.

    Args:
        config: the settings.
        found: what `find_data` has found at `config.data`, if it was called.

    Raises:
        UserError: the data or the settings are not usable, or the run folder is in use.
    """
    run = new_run(config)
    require_unused(run)
    data = config.data or (str(make_sample_data(SAMPLE_DATA)),)
    config = dataclasses.replace(config, data=data, run_dir=str(run.folder))
    names = chosen_class_names(config.classes) if config.classes else None
    weights = open_weights(config.weights, config.network_spec) if config.weights else None
    if weights:
        config = _fitted_to_weights(config, weights)
    if config.anchors not in ("coco", "auto"):
        # So that a mistake in it is reported before the data is read.
        read_anchors(config.anchors, len(config.network_spec.anchors))
    dataset = _load(config, names, run, found)
    train, val = _splits(dataset)
    _check_batches(config, train)
    _claim_cache(config, train)
    anchors = _choose_anchors(config, train)
    config = _with_positives_per_image(config, train, anchors)
    if weights:
        for line in weights.remarks(anchors, len(dataset.class_names)):
            print(line)
    return TrainingSetup(
        run, config, dataset.class_names, anchors, train, val, dataset.report, weights
    )


def require_unused(run: Run) -> None:
    """Refuse a folder that holds a config or weights.

    A state or other files alone are those of a training that was killed while it wrote the first
    ones; the config is the last of them.

    Raises:
        UserError: says what was found and how to go on.
    """
    files = sorted(run.folder.iterdir()) if run.folder.is_dir() else []
    weights = [file.name for file in files if file.suffix in _WEIGHTS_SUFFIXES]
    found = [run.config_file.name] * run.config_file.exists() + weights
    if not found:
        return
    ways = ["name another --run-dir"]
    if run.state_file.exists() and run.config_file.exists():
        ways.append(f"resume it with --resume {run.folder}")
    if weights:
        ways.append(f"start from its weights with --weights {run.folder}")
    raise UserError(f"{run.folder}: this folder holds {' and '.join(found)}; {', or '.join(ways)}")


def prepare_resume(run: Run, found: FoundData | None = None) -> TrainingSetup:
    """Read the data of a run that is to be resumed; `found` is as for `prepare`.

    Raises:
        UserError: the data is not usable, or a file of the run is missing or damaged.
    """
    config, names = run.config(), run.class_names()
    dataset = _load(config, names, run, found)
    train, val = _splits(dataset)
    try:
        _claim_cache(config, train)
    except UserError as error:
        raise UserError(f'{error}. Change "cache" in {run.config_file}') from None
    return TrainingSetup(
        run, config, names, run.anchors(), train, val, dataset.report, weights=None
    )


def _load(
    config: Config, names: tuple[str, ...] | None, run: Run, found: FoundData | None
) -> DataSet:
    return load_dataset(
        found or config.data,
        names,
        config.on_bad_data,
        config.split_seed,
        report_file=run.data_report_file,
    )


def data_digest(setup: TrainingSetup) -> DataDigest:
    """The digest of what a run is trained and validated on, with its classes and anchors."""
    splits = {"train": setup.train, "val": setup.val}
    return DataDigest.of(setup.class_names, format_anchors(setup.anchors), splits)


def require_same_data(setup: TrainingSetup, training_images: int) -> None:
    """Compare data, classes and anchors with those when the run began.

    Args:
        setup: of the run that is to be resumed.
        training_images: images in the training split when it began. Older versions kept no more.

    Raises:
        UserError: something has changed; names what.
    """
    run = setup.run
    if run.data_file.exists():
        changes = DataDigest.load(run.data_file).differences(data_digest(setup))
    else:
        print(
            f"no {run.data_file}, as in runs of older versions: only the number of training images "
            "is compared with that when the run began"
        )
        count = len(setup.train)
        same = count == training_images
        changes = [] if same else [f"train: {count} images, but {training_images} when it began"]
    if changes:
        raise UserError(
            f"{run.folder}: resuming needs what the run began with, but this has changed: "
            f"{'; '.join(changes)}"
        )


def training_set(setup: TrainingSetup) -> TrainingSet:
    """The training images of a run, augmented according to its settings."""
    return _training_set(setup.config, setup.train, _reader(setup.config))


def _training_set(config: Config, records: list[Record], read: Reader) -> TrainingSet:
    names = [field.name for field in dataclasses.fields(Augmentation)]
    return TrainingSet(
        records,
        config.input_shape,
        config.seed,
        Augmentation(**{name: getattr(config, name) for name in names}),
        composite_epochs=round(config.special_aug_ratio * config.epochs),
        read=read,
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


def _claim_cache(config: Config, records: list[Record]) -> None:
    """Print how much the cache will take, before anything is written."""
    match _reader(config):
        case MemoryCache() as cache:
            print(cache.claim(records, process_count(config.workers)))
        case DiskCache() as cache:
            print(cache.claim(records))


def _fitted_to_weights(config: Config, weights: WeightsSource) -> Config:
    """The settings, changed to those that the initial weights were trained with."""
    trained = weights.settings()
    changed = {name: value for name, value in trained.items() if getattr(config, name) != value}
    if changed:
        flags = ", ".join(f"{flag(name)} {value}" for name, value in changed.items())
        print(f"{flags}: what {weights.name} was trained with")
    return dataclasses.replace(config, **changed)


def _with_positives_per_image(config: Config, records: list[Record], anchors: np.ndarray) -> Config:
    if config.positives_per_image is not None:
        return config
    # Neither pixels nor colors matter, and they would take most of the time.
    colorless = dataclasses.replace(config, hue=0.0, saturation=0.0, value=0.0)
    dataset = _training_set(colorless, records, blank_image)
    count = float(f"{count_positives_per_image(dataset, config, anchors):.4g}")
    print(f"positives per image: {count:g} on average, by which the loss is divided")
    return dataclasses.replace(config, positives_per_image=count)


def _splits(dataset: DataSet) -> tuple[list[Record], list[Record]]:
    """Training and validation images; neither split may be empty or without usable objects."""
    for split in ("train", "val"):
        if not dataset.splits.get(split):
            existing = ", ".join(dataset.splits)
            raise UserError(f"the data has no usable image for {split}; its splits: {existing}")
    for split in ("train", "val"):
        if all(record.difficult.all() for record in dataset.splits[split]):
            raise UserError(f"the images for {split} hold no object that is not difficult")
    return dataset.splits["train"], dataset.splits["val"]


def _check_batches(config: Config, records: list[Record]) -> None:
    """Refuse a multi-scale training with a single batch per epoch; see `TrainingBatches`."""
    sizes = [config.batch_size, config.freeze_batch_size][: 2 if config.freeze_epochs else 1]
    if config.multi_scale and max(sizes) >= len(records):
        raise UserError(
            f"--multi-scale needs at least two batches in an epoch, but the {len(records)} "
            f"training images are one batch of {max(sizes)}"
        )


def _choose_anchors(config: Config, records: list[Record]) -> np.ndarray:
    network = config.network_spec
    coco = np.array(network.anchors, np.float32)
    sizes = box_sizes(records, config.input_shape, config.resize)
    fit = f"anchors: mean best IoU with the training boxes {mean_best_iou(sizes, coco):.3f}"
    if config.anchors == "coco":
        print(f"{fit} (COCO's; --anchors auto may fit better)")
        return coco
    if config.anchors == "auto":
        anchors = kmeans_anchors(sizes, len(coco), config.seed)
    else:
        anchors = read_anchors(config.anchors, len(coco))
    print(f"{fit} for COCO's, {mean_best_iou(sizes, anchors):.3f} for {config.anchors}:")
    print(f"  {format_anchors(anchors)}")
    return anchors
