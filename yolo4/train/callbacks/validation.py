"""Measures the network as it is trained, and saves the last and the best weights."""

import keras
import numpy as np

from utils.metrics.calibration import ScoreChoice
from yolo4.build import save_weights
from yolo4.config import Config
from yolo4.run import Run
from yolo4.train.callbacks import Logs
from yolo4.train.optimizer.optimizers import averaged_weights
from yolo4.train.previews import save_detections
from yolo4.train.state.progress import Progress
from yolo4.train.validation import Evaluator, Measurement


class Validation(keras.callbacks.Callback):
    """Measures validation loss and mAP every few epochs; saves the last and the best weights.

    It measures and saves the averaged weights (`averaged_weights`).

    Args:
        config: `eval_period`, `epochs`, `early_stopping` and `save_top_k` are used.
        run: receives the weights and the preview image.
        evaluator: measures on the validation images.
        progress: best epochs so far, and the AP of each class; updated.

    Attributes:
        latest: what was measured after this epoch; None if it was not due.
    """

    def __init__(self, config: Config, run: Run, evaluator: Evaluator, progress: Progress) -> None:
        super().__init__()
        self.config = config
        self.run = run
        self.evaluator = evaluator
        self.progress = progress
        self.latest: Measurement | None = None

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Forget what was measured before."""
        self.latest = None

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
        self.latest = Measurement(*self.evaluator.measure(self.model))
        losses, voc, detections = self.latest
        score, loss, progress = voc.map, losses["loss"], self.progress
        logs |= {f"val_{name}": value for name, value in losses.items()} | {"map50": score}
        ap = [None if np.isnan(value) else round(value, 6) for value in voc.main.ap.tolist()]
        progress.class_ap.append([done, *ap])
        if self.config.save_top_k > 1:
            self._keep_top(score, loss, done)
        # As long as the mAP is 0, the loss decides which weights are better.
        if (score, -loss) > (progress.best_map, -progress.best_loss):
            progress.best_map, progress.best_loss, progress.best_epoch = score, loss, done
            save_weights(self.model, self.run.best_weights)
            names, records = self.evaluator.class_names, self.evaluator.records
            choice = ScoreChoice.of(voc.main.overall)
            choice.save(self.run.score_choice_file)
            threshold = 1.0 if choice.threshold is None else choice.threshold
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
