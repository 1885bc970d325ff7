"""Settles everything that a training needs before its network is built: data, classes, anchors."""

import dataclasses
import time
from pathlib import Path

import numpy as np

from utils.anchors import read_anchors
from utils.annotations import FoundData, ScanReport
from utils.errors import UserError
from utils.records import Record
from utils.text import chosen_class_names
from yolo4.config import Config
from yolo4.run import RUNS, Run
from yolo4.sample_data.make import SAMPLE_DATA, make_sample_data
from yolo4.train.data import claim_cache, read_data, require_batches
from yolo4.train.resolve import choose_anchors, fitted_to_weights, with_positives_per_image
from yolo4.weights.source import WeightsSource, open_weights

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

    Nothing is written to the run folder. Keras is imported at the end, to count the positives.

    Args:
        config: the settings.
        found: as for `read_data`.

    Raises:
        UserError: the data or the settings are not usable, or the run folder is in use.
    """
    run = new_run(config)
    require_unused(run)
    names, weights = open_named_files(config)
    data = config.data or (str(make_sample_data(SAMPLE_DATA)),)
    config = dataclasses.replace(config, data=data, run_dir=str(run.folder))
    if weights:
        config = fitted_to_weights(config, weights)
    dataset = read_data(config, names, run, found)
    train, val = dataset.splits["train"], dataset.splits["val"]
    require_batches(config, train)
    claim_cache(config, train)
    anchors = choose_anchors(config, train)
    if weights and not config.fresh_heads:
        for line in weights.remarks(anchors, len(dataset.class_names)):
            print(line)
    config = with_positives_per_image(config, train, anchors)
    return TrainingSetup(
        run, config, dataset.class_names, anchors, train, val, dataset.report, weights
    )


def open_named_files(config: Config) -> tuple[tuple[str, ...] | None, WeightsSource | None]:
    """The class names and the initial weights of the files that the settings name.

    A file of anchors is looked at too: a mistake in a file is reported before the data is read.

    Raises:
        UserError: a file is missing or damaged.
    """
    names = chosen_class_names(config.classes) if config.classes else None
    weights = open_weights(config.weights, config.network_spec) if config.weights else None
    network = weights.network if weights else config.network_spec
    if config.anchors not in ("coco", "auto"):
        read_anchors(config.anchors, len(network.anchors))
    return names, weights


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
    """Read the data of a run that is to be resumed; `found` is as for `read_data`.

    Raises:
        UserError: the data is not usable, or a file of the run is missing or damaged.
    """
    config, names, anchors = run.config(), run.class_names(), run.anchors()
    dataset = read_data(config, names, run, found)
    train, val = dataset.splits["train"], dataset.splits["val"]
    try:
        claim_cache(config, train)
    except UserError as error:
        raise UserError(f'{error}. Change "cache" in {run.config_file}') from None
    return TrainingSetup(run, config, names, anchors, train, val, dataset.report, weights=None)
