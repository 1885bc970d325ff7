"""Validation: when it measures, which weights it keeps, when it stops the training."""

import itertools

import cv2
import keras
import numpy as np
import pytest

from tests.yolo4.train.callbacks.toy_training import LOSSES, network
from utils.metrics.voc_map import evaluate_voc
from utils.records import Detections, Record
from yolo4.config import Config
from yolo4.train.callbacks.validation import Validation
from yolo4.train.state.progress import Progress

NAMES = ("cat", "dog")


@pytest.fixture
def record(tmp_path):
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.full((40, 40, 3), 200, np.uint8))
    boxes = np.array([[5, 5, 20, 20], [25, 25, 38, 38]], np.float32)
    return Record(path, (40, 40), boxes, np.array([0, 1], np.int32), np.zeros(2, bool))


class Measured:
    """An evaluator whose mAP is scripted: how many of the two objects are found, epoch by epoch."""

    class_names = NAMES

    def __init__(self, record, found, losses):
        self.records = [record]
        self.found = iter(found)
        self.losses = iter(losses)
        self.weights = []

    def measure(self, model):
        self.weights.append(model.get_weights()[0].copy())
        count, record = next(self.found), self.records[0]
        found = Detections(
            record.boxes[:count], np.full(count, 0.5, np.float32), record.labels[:count]
        )
        losses = LOSSES | {"loss": next(self.losses)}
        return losses, evaluate_voc([found], self.records, NAMES), [found]


def validate(run, record, found, **config):
    """Epochs of a training that finds so many objects each time it measures.

    Returns the logs by epoch, which weights were best, and the callback.
    """
    losses = config.pop("losses", itertools.repeat(LOSSES["loss"]))
    evaluator, progress = Measured(record, found, losses), Progress()
    settings = Config(epochs=config.pop("epochs", 20), **config)
    callback = Validation(settings, run, evaluator, progress)
    model = network()
    callback.set_model(model)
    model.stop_training = False
    logs, best = {}, {}
    for epoch in range(settings.epochs):
        model.train_on_batch(np.ones((2, 1)))
        logs[epoch + 1] = {}
        callback.on_epoch_end(epoch, logs[epoch + 1])
        best[epoch + 1] = run.best_weights.read_bytes() if run.best_weights.is_file() else None
        if model.stop_training:
            break
    return logs, best, callback


class TestValidation:
    def test_measures_every_few_epochs_and_after_the_last(self, run, record):
        logs, _, _ = validate(run, record, [0, 1, 2], eval_period=3, epochs=7)
        measured = {epoch for epoch, values in logs.items() if values}
        assert measured == {3, 6, 7}
        assert logs[6] == {f"val_{name}": value for name, value in LOSSES.items()} | {"map50": 0.5}

    def test_the_ap_of_each_class_is_kept_with_its_epoch(self, run, record):
        _, _, callback = validate(run, record, [0, 1, 2], eval_period=3, epochs=7)
        assert callback.progress.class_ap == [[3, 0, 0], [6, 1, 0], [7, 1, 1]]
        assert callback.latest.voc.map == 1
        callback.on_epoch_begin(7)
        assert callback.latest is None

    def test_best_weights_are_replaced_only_by_better_ones(self, run, record):
        _, best, callback = validate(run, record, [0, 1, 0, 1, 2], eval_period=1, epochs=5)
        assert best[1] is not None, "the first, even with an mAP of 0"
        assert best[2] != best[1]
        assert best[2] == best[3] == best[4]
        assert best[5] != best[4]
        assert (callback.progress.best_map, callback.progress.best_epoch) == (1.0, 5)
        assert run.detections_picture.is_file()

    def test_the_score_threshold_is_that_of_the_best_weights(self, run, record):
        validate(run, record, [0], eval_period=1, epochs=1)
        assert run.score_choice().threshold is None, "nothing is found"
        validate(run, record, [2, 0], eval_period=1, epochs=2)
        assert run.score_choice().threshold == 0.5

    def test_by_default_only_the_best_weights_are_kept(self, run, record):
        validate(run, record, [0, 1, 2], eval_period=1, epochs=3)
        assert not run.top_folder.exists()

    def test_the_weights_of_the_best_epochs_are_kept_and_no_others(self, run, record):
        """Of equal mAPs those of the lower loss, then the earlier ones."""
        found, losses = [0, 1, 1, 2, 0, 1, 1], [5.0, 5.0, 4.0, 6.0, 1.0, 3.0, 4.0]
        options = {"eval_period": 1, "epochs": 7, "losses": losses, "save_top_k": 3}
        _, _, callback = validate(run, record, found, **options)
        names = [f"epoch-{n:03}-map-{score}.weights.h5" for n, score in self.TOP]
        assert sorted(path.name for path in run.top_folder.iterdir()) == names
        assert [epoch for *_, epoch in callback.progress.top] == [4, 6, 3]
        for number, score in self.TOP:
            saved = keras.Model(callback.model.inputs, callback.model.outputs)
            saved.load_weights(run.top_weights(number, float(score)))
            expected = callback.evaluator.weights[number - 1]
            np.testing.assert_array_equal(saved.get_weights()[0], expected)

    TOP = ((3, "0.500"), (4, "1.000"), (6, "0.500"))

    def test_the_best_epochs_outlive_an_interruption(self, run, record):
        progress = Progress(top=[[0.9, 1.0, 2], [0.7, 1.0, 5]])  # as JSON has them
        callback = Validation(
            Config(save_top_k=2, eval_period=1),
            run,
            Measured(record, [2], itertools.repeat(3.0)),
            progress,
        )
        callback.set_model(network())
        for _, _, epoch in progress.top:
            run.top_folder.mkdir(exist_ok=True)
            run.top_weights(epoch, {2: 0.9, 5: 0.7}[epoch]).write_bytes(b"")
        (run.top_folder / "mine.weights.h5").write_bytes(b"")
        callback.model.train_on_batch(np.ones((2, 1)))
        callback.on_epoch_end(6, {})
        assert sorted(path.name for path in run.top_folder.iterdir()) == [
            "epoch-002-map-0.900.weights.h5",
            "epoch-007-map-1.000.weights.h5",
            "mine.weights.h5",
        ]

    def test_while_nothing_is_found_the_lower_loss_is_better(self, run, record):
        options = {"eval_period": 1, "epochs": 4, "losses": [9.0, 7.0, 8.0, 6.0]}
        _, best, callback = validate(run, record, [0, 0, 0, 0], **options)
        assert best[1] != best[2]
        assert best[2] == best[3]
        assert best[3] != best[4]
        assert callback.progress.best_epoch == 4

    def test_averaged_weights_are_measured_and_saved_and_training_keeps_its_own(self, run, record):
        _, _, callback = validate(run, record, [1, 1, 1], eval_period=1, epochs=3)
        model, (first, *_, last) = callback.model, callback.evaluator.weights
        raw = model.get_weights()[0]
        # A constant gradient moves the weight evenly: the average lags behind.
        pace = (raw - first) / 2
        np.testing.assert_allclose(last, first + pace * (0.5 * 2 + 0.25 * 1), rtol=1e-5)
        assert not np.allclose(last, raw)
        saved = keras.Model(model.inputs, model.outputs)
        saved.load_weights(run.last_weights)
        np.testing.assert_array_equal(model.get_weights()[0], last)

    def test_stops_when_the_map_has_not_improved_for_so_many_epochs(self, run, record, capsys):
        logs, _, _ = validate(run, record, [0, 1, 1, 0, 2], eval_period=2, early_stopping=4)
        assert max(logs) == 8
        assert "no better mAP since epoch 4" in capsys.readouterr().out

    def test_does_not_stop_before_it_has_measured(self, run, record):
        logs, _, _ = validate(run, record, [1, 2, 2, 2], eval_period=5, early_stopping=3)
        assert max(logs) == 15

    def test_the_frozen_epochs_do_not_count_as_waiting(self, run, record):
        options = {"eval_period": 1, "early_stopping": 3, "freeze_epochs": 5}
        logs, _, callback = validate(run, record, [1] + [0] * 19, **options)
        assert max(logs) == 8
        assert callback.progress.stopped_early

    def test_never_stops_early_without_the_setting(self, run, record):
        logs, _, _ = validate(run, record, [2] + [0] * 9, eval_period=1, epochs=10)
        assert max(logs) == 10
