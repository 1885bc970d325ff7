"""Tells a trial the validation mAP of its training, and stops it if it falls behind."""

from typing import Any

import keras
import optuna


class ReportToTrial(keras.callbacks.Callback):
    """Reports each measured validation mAP to a trial of Optuna; a pruned one stops the training.

    Args:
        trial: reported to.

    Attributes:
        values: the highest mAP so far, by the epoch after which it was measured.
        is_pruned: whether the trial was stopped before its end.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self.trial = trial
        self.values: dict[int, float] = {}
        self.is_pruned = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Report the mAP if it was measured after this epoch."""
        if "map50" not in logs:
            return
        best = max([logs["map50"], *self.values.values()])
        self.values[epoch + 1] = best
        self.trial.report(best, epoch + 1)
        if self.trial.should_prune():
            print(f"pruned: validation mAP {best:.3f} is below the median of earlier trials")
            self.model.stop_training = self.is_pruned = True
