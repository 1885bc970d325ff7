"""The confidence loss of a run: over its epochs, and in detail at the end."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from utils.files.reading import reading
from utils.records import Record
from yolo4.build import build_criterion
from yolo4.compare.loss.analysis import LossAnalysis
from yolo4.compare.study_files import read_json, write_json
from yolo4.config import Config
from yolo4.inference.keras_network import load_network
from yolo4.run import Run
from yolo4.train.optimizer.optimizers import averaged_weights
from yolo4.train.state.progress import load_progress


class LossAnalysisCallback(keras.callbacks.Callback):
    """Analyzes the confidence loss before training and whenever validation is measured.

    Like validation, it uses the averaged weights. It does not change the training. Its results are
    stored in the run's folder, so that a resumed run continues them.

    Args:
        run: its folder receives the results.
        config: `eval_period`, `epochs`, `batch_size`, `resize` and the input size are used.
        records: the validation split.
        class_names: names of the classes.
    """

    def __init__(
        self, run: Run, config: Config, records: Sequence[Record], class_names: Sequence[str]
    ) -> None:
        super().__init__()
        self.run = run
        self.config = config
        self.analysis = _loss_analysis(config, records, class_names)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Analyze the untrained network. Its average is empty until the first step."""
        if not load_progress(self.run.state_file).has_begun:
            self._add(0)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Analyze the network if validation is measured after this epoch."""
        done = epoch + 1
        if done % self.config.eval_period == 0 or done == self.config.epochs:
            with averaged_weights(self.model):
                self._add(done)

    def _add(self, epoch: int) -> None:
        # An epoch that was interrupted after its analysis is repeated; the new result counts.
        entries = [entry for entry in stored_epochs(self.run) if entry["epoch"] < epoch]
        entry = {"epoch": epoch, **self.analysis.epoch(self.model, self.model.criterion)}
        if _is_finite(entry):  # JSON has no other numbers
            entries.append(entry)
        write_json(_epochs_file(self.run), entries)


def stored_epochs(run: Run) -> list[dict[str, Any]]:
    """The results of `LossAnalysisCallback` in a run so far."""
    file = _epochs_file(run)
    epochs = read_json(file) if file.is_file() else []
    with reading(file, "a list of objects with 'epoch'"):
        return [{"epoch": int(entry["epoch"]), **entry} for entry in epochs]


def diagnose(run: Run, records: Sequence[Record]) -> dict[str, Any]:
    """Everything about a finished run's loss: its epochs, and its best weights in detail.

    Args:
        run: a run that was trained with `LossAnalysisCallback`.
        records: its validation split.

    Returns:
        `epochs`, and the result of `LossAnalysis.final`.

    Raises:
        UserError: the run has no weights.
    """
    config, anchors = run.config(), run.anchors()
    analysis = _loss_analysis(config, records, run.class_names())
    final = analysis.final(load_network(run), build_criterion(config, anchors))
    return {"epochs": stored_epochs(run), **final}


def _loss_analysis(
    config: Config, records: Sequence[Record], class_names: Sequence[str]
) -> LossAnalysis:
    return LossAnalysis(records, class_names, config.input_shape, config.batch_size, config.resize)


def _epochs_file(run: Run) -> Path:
    return run.folder / "diagnosis_epochs.json"


def _is_finite(entry: dict[str, Any]) -> bool:
    levels = entry["levels"]
    sums = [
        value for level in levels for key in ("loss", "gradient") for value in level[key].values()
    ]
    return all(map(math.isfinite, sums))
