"""What is written after each epoch: the history, its curves, the state and a line."""

import csv
from types import SimpleNamespace

import pytest

from tests.yolo4.train.callbacks.toy_training import LOSSES, network
from yolo4.train.callbacks import history
from yolo4.train.callbacks.history import COLUMNS, History, SaveState
from yolo4.train.state.progress import Progress, load_progress

LOGS = LOSSES | {"images_per_second": 12.5, "waited_for_data": 0.034, "lr": 0.001}


class TestHistory:
    @pytest.fixture
    def callback(self, run):
        callback = History(run, Progress(training_images=9), epochs=12, eval_period=2)
        callback.set_model(network())
        return callback

    def end(self, callback, epoch, logs):
        callback.on_epoch_begin(epoch)
        callback.on_epoch_end(epoch, logs)
        save_state = SaveState(callback.run, callback.progress)
        save_state.set_model(callback.model)
        save_state.on_epoch_end(epoch)

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
        again = History(run, load_progress(run.state_file), 12, eval_period=1)
        again.set_model(callback.model)
        self.end(again, 1, dict(LOGS))
        assert [line.split(",")[0] for line in run.history_file.read_text().splitlines()] == [
            "epoch",
            "1",
            "2",
        ]

    def test_the_pace_is_that_of_the_last_whole_period(self, run, monkeypatch):
        """Every second epoch is measured, which takes it 7 instead of 3 seconds."""
        callback = History(run, Progress(), epochs=10, eval_period=2)
        callback.set_model(network())
        times = [0, 90, 100, 103, 110, 117, 120, 123]
        clock = SimpleNamespace(perf_counter=lambda: times.pop(0))
        monkeypatch.setattr(history, "time", clock)
        left = []
        for epoch in range(4):
            self.end(callback, epoch, dict(LOGS))
            left.append(callback.seconds_left)
        assert left == [9 * 90, 8 * (90 + 3) / 2, 7 * (3 + 7) / 2, 6 * (7 + 3) / 2]

    @pytest.mark.parametrize(("seconds", "left"), [(1.0, "0 min 11 s"), (600.0, "1 h 50 min")])
    def test_a_line_is_printed_with_the_terms_and_the_time_left(
        self, callback, monkeypatch, capsys, seconds, left
    ):
        clock = iter([0.0, seconds])
        monkeypatch.setattr(history, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        self.end(callback, 0, LOGS | {"val_loss": 5.0, "map50": 0.25})
        line = capsys.readouterr().out
        assert line == (
            "epoch  1/12: loss 6.000, box 1.000, confidence 2.000, class 3.000, "
            f"val loss 5.000, mAP 0.250 | 12.5 images/s, waited 3% for data, {left} left\n"
        )
