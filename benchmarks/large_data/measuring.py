"""What is measured, each in a separate process: see `benchmarks.workers`."""

import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.evaluation import simulate
from benchmarks.large_data.making import CLASSES, FORMATS
from benchmarks.workers import Steps
from train import CONFIG
from utils.annotations import DataSet, load_dataset
from utils.annotations.digest import DataDigest
from utils.metrics.voc_map import evaluate_voc
from utils.postprocess import EVALUATION
from yolo4.train.loop import train_model
from yolo4.train.options import train_defaults


def making(format: str, root: str, images: int) -> Steps:
    """Write a data set, in a process that keeps the memory of it from the others."""
    return _once(lambda: FORMATS[format](Path(root), images))


def first_scan(root: str, cache: str) -> Steps:
    """Scan a data set that no scan has read, and keep the digest that a run keeps."""
    os.environ["XDG_CACHE_HOME"] = cache
    return _once(lambda: _digest(_scan(root)).save(_digest_file(cache)))


def second_start(root: str, cache: str) -> Steps:
    """Scan it again, and compare it with the digest, as `--resume` does."""
    os.environ["XDG_CACHE_HOME"] = cache

    def start() -> None:
        changes = DataDigest.load(_digest_file(cache)).differences(_digest(_scan(root)))
        assert not changes, changes

    return _once(start)


def first_step(root: str, cache: str) -> Steps:
    """Train until the end of the first step, with the settings of train.py."""
    os.environ["XDG_CACHE_HOME"] = cache

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder, contextlib.suppress(KeyboardInterrupt):
            config = train_defaults(CONFIG, []).settings()
            run_dir = str(Path(folder) / "run")
            train_model(
                dataclasses.replace(config, data=(root,), run_dir=run_dir),
                lambda setup: (_stop_after_a_step(),),
            )

    return _once(train)


def validation(images: int) -> Steps:
    """Compute the mAP of simulated detections, as many of each image as a validation keeps."""
    found, records = simulate(images, EVALUATION.max_detections, len(CLASSES))
    return _once(lambda: evaluate_voc(found, records, CLASSES))


def _once(work: Callable[[], object]) -> Steps:
    def run(_count: int) -> float:
        start = time.perf_counter()
        work()
        return time.perf_counter() - start

    return Steps(run)


def _scan(root: str) -> DataSet:
    return load_dataset([root], progress=False)


def _digest(dataset: DataSet) -> DataDigest:
    return DataDigest.of(dataset.class_names, "", dataset.splits)


def _digest_file(cache: str) -> Path:
    return Path(cache) / "digest.json"


def _stop_after_a_step() -> object:
    import keras

    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            raise KeyboardInterrupt

    return Stop()
