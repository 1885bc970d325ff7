"""A run is a folder: what it holds and how to find the latest one."""

import dataclasses
from pathlib import Path

import numpy as np

from utils.errors import UserError
from yolo4.config import Config

RUNS = Path("logs")


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of one training run.

    Attributes:
        folder: `logs/<run>`.
    """

    folder: Path

    @property
    def config_file(self) -> Path:
        """Settings of the training, JSON."""
        return self.folder / "config.json"

    @property
    def classes_file(self) -> Path:
        """Class names, one per line."""
        return self.folder / "classes.txt"

    @property
    def anchors_file(self) -> Path:
        """The nine anchors, `w,h` in pixels of the input."""
        return self.folder / "anchors.txt"

    @property
    def fingerprint_file(self) -> Path:
        """Hashes of the initial weights and the first batches, JSON."""
        return self.folder / "fingerprint.json"

    @property
    def best_weights(self) -> Path:
        """Weights with the highest validation mAP."""
        return self.folder / "best.weights.h5"

    @property
    def last_weights(self) -> Path:
        """Weights of the last epoch."""
        return self.folder / "last.weights.h5"

    @property
    def history_file(self) -> Path:
        """Losses and mAP, one line per epoch."""
        return self.folder / "history.csv"

    @property
    def state_file(self) -> Path:
        """What resuming needs: weights, optimizer and counters at the end of an epoch."""
        return self.folder / "state.npz"

    @property
    def curves_picture(self) -> Path:
        """Loss and mAP over the epochs."""
        return self.folder / "curves.png"

    @property
    def batch_picture(self) -> Path:
        """The first augmented batch with its boxes."""
        return self.folder / "first_batch.png"

    @property
    def detections_picture(self) -> Path:
        """Validation images with what the best weights find in them."""
        return self.folder / "validation_detections.png"

    @property
    def events_folder(self) -> Path:
        """TensorBoard events."""
        return self.folder / "tensorboard"

    def weights(self) -> Path:
        """The best weights, or the last where none were measured yet.

        Raises:
            UserError: there are none.
        """
        for file in (self.best_weights, self.last_weights):
            if file.is_file():
                return file
        raise UserError(f"{self.folder}: no weights yet; has its training finished an epoch?")

    def config(self) -> Config:
        """The settings of the run."""
        return Config.load(self.config_file)

    def class_names(self) -> tuple[str, ...]:
        """The class names of the run.

        Raises:
            UserError: the file is missing or is not UTF-8, as training writes it.
        """
        from utils.text import read_class_names, read_utf8

        return read_class_names(self.classes_file, read_utf8)

    def anchors(self) -> np.ndarray:
        """The anchors of the run, float32 `[9, 2]`, width and height in pixels."""
        from utils.anchors import read_anchors

        return read_anchors(self.anchors_file)


def open_run(folder: str | Path | None) -> Run:
    """The run in `folder`, or the latest one under `logs/`.

    Raises:
        UserError: there is no such run, or none at all.
    """
    if folder is None:
        return _latest_run()
    run = Run(Path(folder))
    if not run.folder.is_dir():
        raise UserError(f"{folder}: no such run folder; train.py makes them under {RUNS}/")
    if not run.config_file.is_file():
        raise UserError(f"{folder}: not a run folder: it has no {run.config_file.name}")
    return run


def _latest_run() -> Run:
    runs = [Run(file.parent) for file in RUNS.glob("*/config.json")]
    weights = [file for run in runs for file in (run.best_weights, run.last_weights)]
    weights = [file for file in weights if file.is_file()]
    if not weights:
        raise UserError(f"no trained run under {RUNS}/; run train.py first or name one with --run")
    return Run(max(weights, key=lambda file: file.stat().st_mtime).parent)
