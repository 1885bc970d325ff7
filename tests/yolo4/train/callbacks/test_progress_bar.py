"""The progress bar, and the speed and the waiting that it logs."""

from types import SimpleNamespace

from tests.yolo4.train.callbacks.toy_training import LOSSES, network
from yolo4.train.callbacks import progress_bar
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.state.progress import Progress


def test_the_bar_logs_speed_waiting_and_learning_rate(monkeypatch, capsys):
    # Opened, four times begun and ended, closed.
    clock = iter([10.0, *(10.5, 10.9, 11.0, 11.9, 12.0, 12.9, 13.0, 13.5), 14.0])
    monkeypatch.setattr(progress_bar, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
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
    monkeypatch.setattr(progress_bar, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
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
