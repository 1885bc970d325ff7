"""The callbacks of a training: safety, measuring, saving."""

import csv
import itertools
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from nets.losses import TERMS
from utils.errors import UserError
from utils.metrics.voc_map import evaluate_voc
from utils.records import Detections, Record
from yolo4.config import Config
from yolo4.run import Run
from yolo4.train import callbacks
from yolo4.train.callbacks import (
    COLUMNS,
    CheckpointAndHistory,
    NonFiniteLossError,
    ProgressBar,
    StopOnNonFinite,
    Validation,
)
from yolo4.train.checkpoint import Progress, load_progress
from yolo4.train.optimizer import SGD

NAMES = ("cat", "dog")
LOSSES = {"loss": 6.0, "box": 1.0, "confidence": 2.0, "class": 3.0}
LOGS = LOSSES | {"images_per_second": 12.5, "waited_for_data": 0.034, "lr": 0.001}


class Network(keras.Model):
    """One weight, trained to nothing, with the named terms of a detector's loss."""

    bad_step = bad_term = bad_value = None

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.steps = getattr(self, "steps", -1) + 1
        terms = dict.fromkeys(TERMS, keras.ops.sum(y_pred))
        if self.steps == self.bad_step:
            terms[self.bad_term] = terms[self.bad_term] + self.bad_value
        for name, value in terms.items():
            self.term_means[name].update_state(value)
        return sum(terms.values())


def network(**attributes):
    inputs = keras.Input((1,))
    model = Network(inputs, keras.layers.Dense(1)(inputs))
    model.term_means = {name: keras.metrics.Mean(name=name) for name in TERMS}
    for name, value in attributes.items():
        setattr(model, name, value)
    optimizer = SGD(learning_rate=0.125, decay=0.0, average=0.5)
    model.compile(optimizer, run_eagerly=True)
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize(("term", "value"), [("box", float("nan")), ("class", float("inf"))])
def test_a_non_finite_loss_stops_with_epoch_step_term_and_advice(term, value):
    model = network(bad_step=7, bad_term=term, bad_value=value)  # of 4 steps an epoch
    with pytest.raises(NonFiniteLossError) as caught:
        model.fit(np.ones((8, 1)), epochs=3, batch_size=2, callbacks=[StopOnNonFinite()], verbose=0)
    text = str(caught.value)
    assert text.startswith(f"the {term} loss is {value} at epoch 2, step 4; ")
    assert "the weights of the last good epoch are kept" in text
    for advice in ("--learning-rate", "--gradient-clip", "--warmup-epochs", "--precision"):
        assert advice in text
    assert "\n" not in text
    assert isinstance(caught.value, UserError)
    assert model.steps == 7


def test_a_last_step_that_spoils_the_weights_is_reported_before_they_are_saved():
    model = network()
    spoil = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: pytest.fail("this would save the weights")
    )
    rate = model.optimizer.learning_rate
    rate.assign(float("inf"))
    with pytest.raises(NonFiniteLossError, match=r"last step of epoch 1 .*--learning-rate"):
        model.fit(np.ones((2, 1)), batch_size=2, callbacks=[StopOnNonFinite(), spoil], verbose=0)


def test_finite_losses_do_not_stop():
    model = network()
    model.fit(np.ones((8, 1)), epochs=2, batch_size=2, callbacks=[StopOnNonFinite()], verbose=0)
    assert model.steps == 7


def test_the_bar_logs_speed_waiting_and_learning_rate(monkeypatch, capsys):
    # Opened, four times begun and ended, closed.
    clock = iter([10.0, *(10.5, 10.9, 11.0, 11.9, 12.0, 12.9, 13.0, 13.5), 14.0])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    ready = [10.75, 9.0, 12.25, 12.5]
    waiting_time = lambda step, start: max(0.0, ready[step] - start)  # noqa: E731
    batches = SimpleNamespace(batch_size=5, first_step=0, waiting_time=waiting_time)
    bar = ProgressBar(epochs=3, batches=batches, progress=(progress := Progress()))
    bar.set_params({"steps": 4})
    bar.set_model(network())
    logs = dict(LOSSES)
    bar.on_epoch_begin(0)
    for step in range(4):
        bar.on_train_batch_begin(step, logs)
        bar.on_train_batch_end(step, logs)
    assert bar.bar.n in (0, 20), "nothing is counted without a terminal"
    assert (progress.seconds, progress.waited) == (3.5, 0.5)
    bar.on_epoch_end(0, logs)
    assert logs == LOSSES | {"images_per_second": 5.0, "waited_for_data": 0.125, "lr": 0.125}


def test_the_bar_counts_the_time_before_an_interruption_too(monkeypatch):
    """Two of four steps took 6 seconds, 1 of them waiting; the others take 2, and 1 waiting."""
    clock = iter([50.0, *(50.0, 51.0, 51.0, 52.0), 52.0])
    monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    batches = SimpleNamespace(batch_size=5, first_step=2, waiting_time=lambda step, start: 0.5)
    bar = ProgressBar(3, batches, Progress(step=2, seconds=6.0, waited=1.0))
    bar.set_params({"steps": 2})
    bar.set_model(network())
    bar.on_epoch_begin(0)
    for step in range(2):
        bar.on_train_batch_begin(step, {})
        bar.on_train_batch_end(step, dict(LOSSES))
    bar.on_epoch_end(0, logs := {})
    assert logs == {"images_per_second": 20 / 8, "waited_for_data": 2 / 8, "lr": 0.125}


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


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return Run(tmp_path / "run")


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

    def test_best_weights_are_replaced_only_by_better_ones(self, run, record):
        _, best, callback = validate(run, record, [0, 1, 0, 1, 2], eval_period=1, epochs=5)
        assert best[1] is not None, "the first, even with an mAP of 0"
        assert best[2] != best[1]
        assert best[2] == best[3] == best[4]
        assert best[5] != best[4]
        assert (callback.progress.best_map, callback.progress.best_epoch) == (1.0, 5)
        assert run.detections_picture.is_file()

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


class TestCheckpointAndHistory:
    @pytest.fixture
    def callback(self, run):
        callback = CheckpointAndHistory(run, Progress(training_images=9), epochs=12)
        callback.set_model(network())
        return callback

    def end(self, callback, epoch, logs):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)

    def test_history_has_a_line_per_epoch_and_gaps_if_nothing_was_measured(self, callback, run):
        measured = {f"val_{name}": value for name, value in LOSSES.items()} | {"map50": 0.25}
        self.end(callback, 0, dict(LOGS))
        assert not run.curves_picture.exists()
        self.end(callback, 1, LOGS | measured | {"unknown": 1.0})
        with run.history_file.open(newline="") as file:
            first, second = csv.DictReader(file)
        expected = ["epoch", "loss", "box", "confidence", "class", "lr", "map50"]
        expected += ["val_loss", "val_box", "val_confidence", "val_class"]
        expected += ["images_per_second", "waited_for_data"]
        assert sorted(first) == sorted(COLUMNS) == sorted(expected)
        assert first["epoch"] == "1"
        assert second["epoch"] == "2"
        assert {name: float(first[name]) for name in LOGS} == LOGS
        assert {first[name] for name in measured} == {""}
        assert {name: float(second[name]) for name in measured} == measured
        assert run.curves_picture.is_file()

    def test_the_state_counts_the_epochs_done(self, callback, run):
        for epoch in range(3):
            self.end(callback, epoch, dict(LOGS))
        progress = load_progress(run.state_file)
        assert (progress.epoch, progress.training_images) == (3, 9)
        assert progress.history == [{"epoch": n, **LOGS} for n in (1, 2, 3)]

    def test_history_continues_after_a_resume(self, callback, run):
        self.end(callback, 0, dict(LOGS))
        again = CheckpointAndHistory(run, load_progress(run.state_file), epochs=12)
        again.set_model(callback.model)
        self.end(again, 1, dict(LOGS))
        assert [line.split(",")[0] for line in run.history_file.read_text().splitlines()] == [
            "epoch",
            "1",
            "2",
        ]

    def test_the_state_is_written_last(self, callback, run, monkeypatch):
        def broken(*_):
            raise OSError("disk full")

        monkeypatch.setattr(callbacks, "write_atomically", broken)
        with pytest.raises(OSError, match="disk full"):
            self.end(callback, 0, dict(LOGS))
        assert not run.state_file.exists()

    @pytest.mark.parametrize(("seconds", "left"), [(1.0, "0 min 11 s"), (600.0, "1 h 50 min")])
    def test_a_line_is_printed_with_the_terms_and_the_time_left(
        self, callback, monkeypatch, capsys, seconds, left
    ):
        clock = iter([0.0, seconds])
        monkeypatch.setattr(callbacks, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        self.end(callback, 0, LOGS | {"val_loss": 5.0, "map50": 0.25})
        line = capsys.readouterr().out
        assert line == (
            "epoch  1/12: loss 6.000, box 1.000, confidence 2.000, class 3.000, "
            f"val loss 5.000, mAP 0.250 | 12.5 images/s, waited 3% for data, {left} left\n"
        )
