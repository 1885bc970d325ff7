"""Watches the confidence loss of a run: over its epochs, and in detail at the end."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from utils.records import Record
from yolo4.build import build_criterion
from yolo4.compare.loss_analysis import LossAnalysis
from yolo4.compare.study_files import read_json, write_json
from yolo4.config import Config
from yolo4.inference.keras_network import load_network
from yolo4.run import Run
from yolo4.train.checkpoint import averaged_weights, load_progress


class WatchConfidence(keras.callbacks.Callback):
    """Measures the confidence loss before training and whenever the validation is measured.

    As there, it is measured with the averaged weights. The training is not changed by it. What was
    measured is kept in the run's folder, so that a resumed run goes on.

    Args:
        run: where it goes.
        config: `eval_period`, `epochs`, `batch_size` and the input size are read.
        records: the validation split.
        class_names: names of the classes.
    """

    def __init__(
        self, run: Run, config: Config, records: Sequence[Record], class_names: Sequence[str]
    ) -> None:
        super().__init__()
        self.run = run
        self.config = config
        self.diagnostician = _diagnostician(config, records, class_names)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Measure the untrained network. Its average is empty until the first step."""
        if load_progress(self.run.state_file).epoch == 0:
            self._add(0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measure if it is time."""
        done = epoch + 1
        if done % self.config.eval_period == 0 or done == self.config.epochs:
            with averaged_weights(self.model):
                self._add(done)

    def _add(self, epoch: int) -> None:
        # An epoch that was interrupted after this is done again, and what it measures stands.
        earlier = [entry for entry in stored_epochs(self.run) if entry["epoch"] < epoch]
        entry = {"epoch": epoch, **self.diagnostician.epoch(self.model)}
        if _is_finite(entry):  # JSON has no other numbers
            earlier.append(entry)
        write_json(_epochs_file(self.run), earlier)


def stored_epochs(run: Run) -> list[dict[str, Any]]:
    """What `WatchConfidence` has measured in a run so far."""
    file = _epochs_file(run)
    return read_json(file) if file.is_file() else []


def diagnose(run: Run, records: Sequence[Record]) -> dict[str, Any]:
    """Everything about a finished run: its epochs, and its best weights in detail.

    Args:
        run: a run that was watched.
        records: its validation split.

    Returns:
        `epochs`, and what `LossAnalysis.final` gives.

    Raises:
        UserError: the run has no weights.
    """
    config, anchors = run.config(), run.anchors()
    model = load_network(run)
    model.criterion = build_criterion(config, anchors)
    diagnostician = _diagnostician(config, records, run.class_names())
    return {"epochs": stored_epochs(run), **diagnostician.final(model)}


def _diagnostician(
    config: Config, records: Sequence[Record], class_names: Sequence[str]
) -> LossAnalysis:
    return LossAnalysis(records, class_names, config.input_shape, config.batch_size)


def _epochs_file(run: Run) -> Path:
    return run.folder / "diagnosis_epochs.json"


def _is_finite(entry: dict[str, Any]) -> bool:
    levels = entry["levels"]
    sums = [
        value for level in levels for of in ("loss", "gradient") for value in level[of].values()
    ]
    return all(map(math.isfinite, sums))
