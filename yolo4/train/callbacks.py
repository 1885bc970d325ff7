"""The callbacks of a training: safety, progress, validation, checkpoints."""

import csv
import gc
import io
import math
import time
from typing import Any, TypeAlias

import keras
import numpy as np
from tqdm import tqdm

from nets.losses import TERMS
from utils.errors import UserError
from utils.files.writing import write_atomically
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

Logs: TypeAlias = Any
"""Numbers by name, `dict[str, float]`; Keras's signatures have None as the default of `logs`."""

_ADVICE = (
    "the weights of the last good epoch are kept. Try a lower --learning-rate, a lower "
    "--gradient-clip, more --warmup-epochs or --precision float32"
)


class NonFiniteLossError(UserError):
    """The loss or a weight became NaN or infinite."""


class StopOnNonFinite(keras.callbacks.Callback):
    """Stops the training at the first step whose loss is NaN or infinite.

    It has to precede the callbacks that save weights.

    Raises:
        NonFiniteLossError: names the epoch, the step and the term, and advises what to change.
    """

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Remember the epoch for the error message."""
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Check the running mean of each term, which never becomes finite again."""
        bad = [name for name in (*TERMS, "loss") if not math.isfinite(logs[name])]
        if bad:
            raise NonFiniteLossError(
                f"the {bad[0]} loss is {logs[bad[0]]} at epoch {self.epoch + 1}, step {batch + 1}; "
                f"{_ADVICE}"
            )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Check the weights: no loss has seen the last update yet."""
        if not has_finite_weights(self.model):
            raise NonFiniteLossError(
                f"the last step of epoch {epoch + 1} made weights NaN or infinite; {_ADVICE}"
            )


def has_finite_weights(model: keras.Model) -> bool:
    """Whether no weight is NaN or infinite."""
    return all(np.isfinite(weight).all() for weight in model.get_weights())


class ProgressBar(keras.callbacks.Callback):
    """A progress bar per epoch with the loss terms; logs speed, waiting and learning rate.

    Args:
        epochs: epochs of the whole training.
        batches: the training batches.
        progress: the time of the finished steps of an epoch; updated after each step.
    """

    def __init__(self, epochs: int, batches: TrainingBatches, progress: Progress) -> None:
        super().__init__()
        self.epochs = epochs
        self.batches = batches
        self.progress = progress
        self.bar = tqdm(disable=True)

    def close(self) -> None:
        """Remove the bar from the screen, even in the middle of an epoch."""
        self.bar.close()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Open the bar."""
        self.start = time.perf_counter() - self.progress.seconds
        size, done = self.batches.batch_size, self.batches.first_step
        self.images = (done + self.params["steps"]) * size
        self.bar = tqdm(
            total=self.images,
            initial=done * size,
            desc=f"epoch {epoch + 1}/{self.epochs}",
            unit="image",
            leave=False,
            disable=None,
        )

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Remember when the step begins; it begins by taking its batch."""
        self.step_start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Advance the bar."""
        self.progress.waited += self.batches.waiting_time(batch, self.step_start)
        self.progress.seconds = time.perf_counter() - self.start
        self.bar.set_postfix({name: f"{value:.3g}" for name, value in logs.items()}, refresh=False)
        self.bar.update(self.batches.batch_size)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Close the bar; log speed, the fraction of time spent waiting and the learning rate."""
        self.close()
        seconds = time.perf_counter() - self.start
        logs["images_per_second"] = self.images / seconds
        logs["waited_for_data"] = self.progress.waited / seconds
        logs["lr"] = float(self.model.optimizer.learning_rate)


class Validation(keras.callbacks.Callback):
    """Measures validation loss and mAP every few epochs; saves the last and the best weights.

    It measures and saves the averaged weights (`averaged_weights`).

    Args:
        config: `eval_period`, `epochs`, `early_stopping` and `save_top_k` are used.
        run: receives the weights and the preview image.
        evaluator: measures on the validation images.
        progress: best epochs so far; updated.
    """

    def __init__(self, config: Config, run: Run, evaluator: Evaluator, progress: Progress) -> None:
        super().__init__()
        self.config = config
        self.run = run
        self.evaluator = evaluator
        self.progress = progress

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Measure if it is due, and add the results to the logs."""
        done = epoch + 1
        with averaged_weights(self.model):
            if done % self.config.eval_period == 0 or done == self.config.epochs:
                self._measure(done, logs)
                self._stop_early(done)
            save_weights(self.model, self.run.last_weights)

    def _stop_early(self, done: int) -> None:
        best = self.progress.best_epoch
        # Once the backbone is trained too, the count starts anew.
        waited = done - max(best, self.config.freeze_epochs)
        if self.config.early_stopping and waited >= self.config.early_stopping:
            print(f"stopping early: no better mAP since epoch {best}")
            self.model.stop_training = self.progress.stopped_early = True

    def _measure(self, done: int, logs: dict[str, float]) -> None:
        losses, voc, detections = self.evaluator.measure(self.model)
        score, loss, progress = voc.map, losses["loss"], self.progress
        logs |= {f"val_{name}": value for name, value in losses.items()} | {"map50": score}
        if self.config.save_top_k > 1:
            self._keep_top(score, loss, done)
        # As long as the mAP is 0, the loss decides which weights are better.
        if (score, -loss) > (progress.best_map, -progress.best_loss):
            progress.best_map, progress.best_loss, progress.best_epoch = score, loss, done
            save_weights(self.model, self.run.best_weights)
            threshold = voc.main.overall.best_f1().threshold
            names, records = self.evaluator.class_names, self.evaluator.records
            save_detections(self.run.detections_picture, records, detections, names, threshold)

    def _keep_top(self, score: float, loss: float, done: int) -> None:
        """Keep the weights if they are among the best, and remove those that no longer are."""
        epochs = [*map(tuple, self.progress.top), (score, loss, done)]
        epochs.sort(key=lambda entry: (-entry[0], *entry[1:]))
        self.progress.top = epochs[: self.config.save_top_k]
        files = {
            number: self.run.top_weights(number, best) for best, _, number in self.progress.top
        }
        if done in files:
            save_weights(self.model, files[done])
        for file in self.run.top_folder.glob("epoch-*-map-*.weights.h5"):
            if file not in files.values():
                file.unlink()


class CheckpointAndHistory(keras.callbacks.Callback):
    """Writes the history, its curves and the state for resuming after each epoch.

    It has to follow the callbacks that add to the logs.

    Args:
        run: receives the files.
        progress: written with the state; updated.
        epochs: epochs of the whole training.
    """

    def __init__(self, run: Run, progress: Progress, epochs: int) -> None:
        super().__init__()
        self.run = run
        self.progress = progress
        self.epochs = epochs

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self.start = time.perf_counter() - self.progress.seconds

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write everything, the state last: an epoch counts as finished once the state says so."""
        self.progress.end_epoch()
        self.progress.history.append({"epoch": epoch + 1, **logs})
        self._write_history()
        if "map50" in logs:
            plot_history(self.run.history_file, self.run.curves_picture)
            gc.collect()  # figures are reference cycles of megabytes each
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
