"""Writes the history, its curves and the state after each epoch."""

import csv
import gc
import io
import time
from collections import deque

import keras

from nets.losses import TERMS
from utils.files.writing import write_atomically
from utils.metrics.history import plot_history
from utils.text import duration
from yolo4.run import Run
from yolo4.train.callbacks import Logs
from yolo4.train.state.checkpoint import save_state
from yolo4.train.state.progress import Progress

COLUMNS = ["epoch", "lr", "images_per_second", "waited_for_data", "loss", *TERMS]
COLUMNS += [f"val_{name}" for name in ("loss", *TERMS)] + ["map50"]


class History(keras.callbacks.Callback):
    """Writes the history and its curves after each epoch.

    It has to follow the callbacks that add to the logs.

    Args:
        run: receives the files.
        progress: updated.
        epochs: epochs of the whole training.
        eval_period: one of so many epochs is measured.
    """

    def __init__(self, run: Run, progress: Progress, epochs: int, eval_period: int) -> None:
        super().__init__()
        self.run = run
        self.progress = progress
        self.epochs = epochs
        # Of a whole period, so that the share of validation is right.
        self._seconds: deque[float] = deque(maxlen=eval_period)

    @property
    def seconds_left(self) -> float:
        """The time that the epochs which are left take, at the pace of the last ones."""
        pace = sum(self._seconds) / len(self._seconds)
        return pace * (self.epochs - self.progress.epoch)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter() - self.progress.seconds

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the files, and print a line."""
        self.progress.end_epoch()
        self.progress.history.append({"epoch": epoch + 1, **logs})
        self._write_history()
        if "map50" in logs:
            plot_history(self.run.history_file, self.run.curves_picture)
            gc.collect()  # figures are reference cycles of megabytes each
        self._seconds.append(time.perf_counter() - self.start)
        print(self._line(logs))

    def _write_history(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for row in self.progress.history:
            values = {k: v if k == "epoch" else f"{v:.6g}" for k, v in row.items()}
            writer.writerow(values)
        write_atomically(self.run.history_file, text.getvalue())

    def _line(self, logs: dict[str, float]) -> str:
        shown = [f"{name} {logs[name]:.3f}" for name in ("loss", *TERMS)]
        if "map50" in logs:
            shown.append(f"val loss {logs['val_loss']:.3f}, mAP {logs['map50']:.3f}")
        width = len(str(self.epochs))
        return (
            f"epoch {self.progress.epoch:{width}}/{self.epochs}: {', '.join(shown)} | "
            f"{logs['images_per_second']:.1f} images/s, "
            f"waited {logs['waited_for_data']:.0%} for data, {duration(self.seconds_left)} left"
        )


class SaveState(keras.callbacks.Callback):
    """Saves the state for resuming after each epoch.

    It has to follow the callbacks that write files of the run: an epoch counts as finished once the
    state says so, and nothing is written for it again.

    Args:
        run: receives the state.
        progress: written with the state.
    """

    def __init__(self, run: Run, progress: Progress) -> None:
        super().__init__()
        self.run = run
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Save the state."""
        save_state(self.run.state_file, self.model, self.progress)
