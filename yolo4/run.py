"""A run is a folder: the files in it, and how to find the latest run."""

import dataclasses
from pathlib import Path

import numpy as np

from nets.networks import NetworkSpec
from utils.anchors import read_anchors
from utils.errors import UserError
from utils.files.intact import previous_path
from utils.files.reading import read_json, read_utf8, reading, refuse_pointer
from utils.metrics.calibration import ScoreChoice
from utils.text import read_class_names
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
        """The anchors of each level in turn, `w,h` in input pixels."""
        return self.folder / "anchors.txt"

    @property
    def data_file(self) -> Path:
        """Hashes of the images and boxes when the run began, with the classes and anchors, JSON."""
        return self.folder / "data.json"

    @property
    def fingerprint_file(self) -> Path:
        """Hashes of the initial weights and of the first batches, JSON."""
        return self.folder / "fingerprint.json"

    @property
    def best_weights(self) -> Path:
        """Weights with the highest validation mAP."""
        return self.folder / "best.weights.h5"

    @property
    def score_choice_file(self) -> Path:
        """The score threshold and temperature that validation images chose for them, JSON."""
        return self.folder / "score_choice.json"

    @property
    def top_folder(self) -> Path:
        """Weights of the epochs with the highest validation mAP, if several are kept."""
        return self.folder / "top"

    def top_weights(self, epoch: int, score: float) -> Path:
        """Weights of an epoch, counted from 1, with its validation mAP."""
        return self.top_folder / f"epoch-{epoch:03d}-map-{score:.3f}.weights.h5"

    @property
    def last_weights(self) -> Path:
        """Weights of the last epoch."""
        return self.folder / "last.weights.h5"

    @property
    def history_file(self) -> Path:
        """Losses and mAP, one row per epoch."""
        return self.folder / "history.csv"

    @property
    def state_file(self) -> Path:
        """What resuming needs: weights, optimizer state and counters at the end of an epoch."""
        return self.folder / "state.npz"

    @property
    def files_of_resuming(self) -> tuple[Path, ...]:
        """The files that resuming reads."""
        return (
            self.config_file,
            self.classes_file,
            self.anchors_file,
            self.data_file,
            self.batch_picture,
            self.state_file,
            self.previous_state_file,
        )

    @property
    def previous_state_file(self) -> Path:
        """The state that was saved before, in case the state is damaged."""
        return previous_path(self.state_file)

    @property
    def failure_file(self) -> Path:
        """Why the training diverged, JSON."""
        return self.folder / "failed.json"

    @property
    def curves_picture(self) -> Path:
        """Plot of the losses and mAP over the epochs."""
        return self.folder / "curves.png"

    @property
    def progress_page(self) -> Path:
        """The training at its last validation: curves, classes and images, HTML."""
        return self.folder / "progress.html"

    @property
    def batch_picture(self) -> Path:
        """The first augmented batch with its boxes."""
        return self.folder / "first_batch.png"

    @property
    def data_report_file(self) -> Path:
        """What was skipped or changed in the data, one record per row."""
        return self.folder / "data_report.csv"

    @property
    def detections_picture(self) -> Path:
        """Validation images with the detections of the best weights."""
        return self.folder / "validation_detections.png"

    @property
    def events_folder(self) -> Path:
        """TensorBoard events."""
        return self.folder / "tensorboard"

    @property
    def failure(self) -> str | None:
        """Why the training diverged; None if it did not.

        Raises:
            UserError: the file is damaged.
        """
        file = self.failure_file
        if not file.is_file():
            return None
        with reading(file, "an object with a reason"):
            return str(read_json(file)["reason"])

    def weights(self) -> Path:
        """The best weights, or the last if validation mAP has not been measured yet.

        Raises:
            UserError: there are no weights, or only pointers of Git LFS.
        """
        for file in (self.best_weights, self.last_weights):
            if file.is_file():
                refuse_pointer(file)
                return file
        raise UserError(f"{self.folder}: no weights yet; has its training finished an epoch?")

    def score_choice(self) -> ScoreChoice | None:
        """What validation images chose for the scores; None in runs of older versions.

        Raises:
            UserError: the file is damaged.
        """
        file = self.score_choice_file
        return ScoreChoice.load(file) if file.is_file() else None

    def config(self) -> Config:
        """The settings of the run."""
        return Config.load(self.config_file)

    def network(self) -> NetworkSpec:
        """The network of the run: its graph, its levels and their anchors."""
        return self.config().network_spec

    def class_names(self) -> tuple[str, ...]:
        """The class names of the run.

        Raises:
            UserError: the file is missing or is not UTF-8, which training writes.
        """
        return read_class_names(self.classes_file, read_utf8)

    def anchors(self) -> np.ndarray:
        """The anchors of the run, float32 `[L * A, 2]`, width and height in input pixels."""
        return read_anchors(self.anchors_file, len(self.network().anchors))


def open_run(folder: str | Path | None) -> Run:
    """The run in `folder`, or the latest one under `logs/`.

    Raises:
        UserError: there is no such run, or no run at all.
    """
    if folder is None:
        return _latest_run()
    run = Run(Path(folder))
    if not run.folder.is_dir():
        raise UserError(f"{folder}: no such run folder; train.py creates them under {RUNS}/")
    if not run.config_file.is_file():
        unfinished = "; its training was stopped before it began: begin it again"
        raise UserError(
            f"{folder}: not a run folder; it has no {run.config_file.name}"
            f"{unfinished if run.classes_file.is_file() else ''}"
        )
    return run


def _latest_run() -> Run:
    runs = [Run(file.parent) for file in RUNS.glob("*/config.json")]
    weights = [file for run in runs for file in (run.best_weights, run.last_weights)]
    weights = [file for file in weights if file.is_file()]
    if not weights:
        raise UserError(
            f"no trained run under {RUNS}/; run train.py first, or name a run with --run"
        )
    return Run(max(weights, key=lambda file: file.stat().st_mtime).parent)
