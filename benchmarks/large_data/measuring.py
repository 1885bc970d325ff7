"""What is measured, each in a separate process."""

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.evaluation import simulate
from benchmarks.large_data.making import CLASSES
from benchmarks.workers import peak_memory
from train import CONFIG
from utils.annotations import DataSet, load_dataset
from utils.annotations.digest import DataDigest
from utils.metrics.voc_map import evaluate_voc
from utils.postprocess import EVALUATION
from yolo4.train.loop import train_model
from yolo4.train.options import train_defaults


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a piece of work took.

    Attributes:
        seconds: by the clock.
        processor_seconds: of all cores; other programs hardly change it.
        memory: the most bytes of main memory that its process has had.
    """

    seconds: float
    processor_seconds: float
    memory: int


def cost_of(work: Callable[..., object], *arguments: object) -> Cost:
    """Do the work, in a process that does nothing else."""
    start, used = time.perf_counter(), time.process_time()
    work(*arguments)
    return Cost(time.perf_counter() - start, time.process_time() - used, peak_memory())


def first_scan(root: Path, cache: Path) -> None:
    """Scan a data set that no scan has read, and keep the digest that a run keeps."""
    os.environ["XDG_CACHE_HOME"] = str(cache)
    _digest(_scan(root)).save(_digest_file(cache))


def second_start(root: Path, cache: Path) -> None:
    """Scan it again, and compare it with the digest, as `--resume` does."""
    os.environ["XDG_CACHE_HOME"] = str(cache)
    changes = DataDigest.load(_digest_file(cache)).differences(_digest(_scan(root)))
    assert not changes, changes


def first_step(root: Path, cache: Path) -> None:
    """Train until the end of the first step, with the settings of train.py."""
    os.environ["XDG_CACHE_HOME"] = str(cache)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
        config = train_defaults(CONFIG, []).settings()
        config = dataclasses.replace(config, data=(str(root),), run_dir=str(Path(folder) / "run"))
        with contextlib.redirect_stdout(None):
            train_model(config, lambda setup: (_stop_after_a_step(),))


def validation(images: int) -> None:
    """Compute the mAP of simulated detections, as many of each image as a validation keeps."""
    found, records = simulate(images, EVALUATION.max_detections, len(CLASSES))
    evaluate_voc(found, records, CLASSES)


def _scan(root: Path) -> DataSet:
    return load_dataset([root], progress=False)


def _digest(dataset: DataSet) -> DataDigest:
    return DataDigest.of(dataset.class_names, "", dataset.splits)


def _digest_file(cache: Path) -> Path:
    return cache / "digest.json"


def _stop_after_a_step() -> object:
    import keras

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            raise KeyboardInterrupt

    return Stop()
