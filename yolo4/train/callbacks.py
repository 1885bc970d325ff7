"""What happens during a training besides the steps: progress, validation, saving, safety."""

import csv
import gc
import io
import math
import time

import keras
import numpy as np
from tqdm import tqdm

from nets.losses import TERMS
from utils.errors import UserError
from utils.files import write_atomically
from utils.metrics.history import plot_history
from yolo4.build import save_weights
from yolo4.config import Config
from yolo4.run import Run
from yolo4.train.batches import TrainingBatches
from yolo4.train.checkpoint import Progress, averaged_weights, save_state
from yolo4.train.previews import save_detections
from yolo4.train.validation import Evaluator

COLUMNS = ["epoch", "lr", "images_per_second", "waited_for_data", "loss", *TERMS]
COLUMNS += [f"val_{name}" for name in ("loss", *TERMS)] + ["map50"]

_ADVICE = (
    "the weights of the last epoch that went well are kept. Try a lower --learning-rate, a lower "
    "--gradient-clip, more --warmup-epochs or --precision float32"
)


class NonFiniteLossError(UserError):
    """The loss or a weight became NaN or infinite."""


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops the training at the first step whose loss is NaN or infinite.

    Comes before the callbacks that save weights.

    Raises:
        NonFiniteLossError: names the epoch, the step and the term, and says what to do.
    """

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Remember the epoch for the message."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Look at the running mean of each term: once one is not finite, it stays so."""
        bad = [name for name in (*TERMS, "loss") if not math.isfinite(logs[name])]
        if bad:
            raise NonFiniteLossError(
                f"the {bad[0]} loss is {logs[bad[0]]} at epoch {self.epoch + 1}, step {batch + 1}; "
                f"{_ADVICE}"
            )

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Look at the weights: what the last step made of them is in no loss yet."""
        if not all(np.isfinite(weight).all() for weight in self.model.get_weights()):
            raise NonFiniteLossError(
                f"the last step of epoch {epoch + 1} made weights NaN or infinite; {_ADVICE}"
            )


class ProgressBar(keras.callbacks.Callback):
    """A bar for each epoch with the loss terms, images/s and time left; then a line to keep.

    Args:
        epochs: epochs of the whole training.
        batches: what the model is trained with.
    """

    def __init__(self, epochs: int, batches: TrainingBatches) -> None:
        super().__init__()
        self.epochs = epochs
        self.batches = batches
        self.bar = tqdm(disable=True)

    def close(self) -> None:
        """Take the bar off the screen, also in the middle of an epoch."""
        self.bar.close()

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Open the bar."""
        self.start = time.perf_counter()
        self.waited = 0.0
        total = self.params["steps"] * self.batches.batch_size
        name = f"epoch {epoch + 1}/{self.epochs}"
        self.bar = tqdm(total=total, desc=name, unit="image", leave=False, disable=None)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Remember when the step begins, which first of all takes its batch."""
        self.step_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Move the bar."""
        self.waited += self.batches.waited(batch, self.step_start)
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in logs.items()}, refresh=False)
        self.bar.update(self.batches.batch_size)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Close the bar; log the speed, the part of the time without data and the learning rate."""
        self.close()
        seconds = time.perf_counter() - self.start
        logs["images_per_second"] = self.params["steps"] * self.batches.batch_size / seconds
        logs["waited_for_data"] = self.waited / seconds
        logs["lr"] = float(self.model.optimizer.learning_rate)


class Validation(keras.callbacks.Callback):
    """Measures validation loss and mAP every few epochs and keeps the best weights.

    It works with the averaged weights, and so are those it saves.

    Args:
        config: `eval_period`, `epochs` and `early_stopping` are read.
        run: where weights and pictures go.
        validator: the validation images.
        progress: best mAP so far; updated.
    """

    def __init__(self, config: Config, run: Run, validator: Evaluator, progress: Progress) -> None:
        super().__init__()
        self.config = config
        self.run = run
        self.validator = validator
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Measure if it is time, and add the results to what is logged."""
        done = epoch + 1
        with averaged_weights(self.model):
            if done % self.config.eval_period == 0 or done == self.config.epochs:
                self._measure(done, logs)
                self._stop_early(done)
            save_weights(self.model, self.run.last_weights)

    def _stop_early(self, done: int) -> None:
        best = self.progress.best_epoch
        # The backbone has its own chance once it is trained.
        waited = done - max(best, self.config.freeze_epochs)
        if self.config.early_stopping and waited >= self.config.early_stopping:
            print(f"stopping early: no better mAP since epoch {best}")
            self.model.stop_training = self.progress.stopped_early = True

    def _measure(self, done: int, logs: dict[str, float]) -> None:
        losses, metrics, found = self.validator.measure(self.model)
        score, loss, progress = metrics.map50, losses["loss"], self.progress
        logs |= {f"val_{name}": value for name, value in losses.items()} | {"map50": score}
        # While nothing is found yet, the mAP stays at 0, and the loss tells the better weights.
        if (score, -loss) > (progress.best_map, -progress.best_loss):
            progress.best_map, progress.best_loss, progress.best_epoch = score, loss, done
            save_weights(self.model, self.run.best_weights)
            threshold = metrics.voc.main.overall.best_f1().threshold
            names, records = self.validator.class_names, self.validator.records
            save_detections(self.run.detections_picture, records, found, names, threshold)


class CheckpointAndHistory(keras.callbacks.Callback):
    """Writes the history, its curves and the state that resuming needs, after each epoch.

    Comes after the callbacks that add to what is logged.

    Args:
        run: where the files go.
        progress: what is written; updated.
        epochs: epochs of the whole training.
    """

    def __init__(self, run: Run, progress: Progress, epochs: int) -> None:
        super().__init__()
        self.run = run
        self.progress = progress
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Write everything, the state last: it counts only with the rest in place."""
        self.progress.epoch = epoch + 1
        self.progress.history.append({"epoch": epoch + 1, **logs})
        self._write_history()
        if "map50" in logs:
            plot_history(self.run.history_file, self.run.curves_picture)
            gc.collect()  # figures hold themselves, by the megabyte, until Python happens to look
        save_state(self.run.state_file, self.model, self.progress)
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
        left = (time.perf_counter() - self.start) * (self.epochs - self.progress.epoch)
        shown = [f"{name} {logs[name]:.3f}" for name in ("loss", *TERMS)]
        if "map50" in logs:
            shown.append(f"val loss {logs['val_loss']:.3f}, mAP {logs['map50']:.3f}")
        width = len(str(self.epochs))
        return (
            f"epoch {self.progress.epoch:{width}}/{self.epochs}: {', '.join(shown)} | "
            f"{logs['images_per_second']:.1f} images/s, "
            f"waited {logs['waited_for_data']:.0%} for data, {_duration(left)} left"
        )


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"
