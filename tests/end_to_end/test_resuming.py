"""Trainings that are killed and resumed end as if they had never stopped."""

import h5py
import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from tests.end_to_end.tiny_training import Killed, arrays, train_until
from tests.helpers.report_page import Page
from yolo4.build import build_model, load_run_model
from yolo4.config import Config
from yolo4.train import loop as training
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.callbacks.progress_page import ProgressPage
from yolo4.train.state.progress import load_progress


@pytest.fixture(scope="module")
def options(settings):
    """With a frozen backbone, accumulated gradients and averages."""
    return {
        **settings,
        **{"network": "yolov4-tiny", "batch_size": 1, "freeze_batch_size": 1, "freeze_epochs": 1},
        **{"accumulate": 2, "optimizer": "adamw", "eval_period": 1},
    }


@pytest.fixture(scope="module")
def whole(folder, options):
    """A training that nothing stopped."""
    return training.train_model(Config(**options, run_dir=str(folder / "whole")))


def assert_same_end(whole, run):
    """The same state, weights and history, bit for bit."""
    for expected, found in (
        (arrays(whole), arrays(run)),
        (stored(whole.last_weights), stored(run.last_weights)),
        (stored(whole.best_weights), stored(run.best_weights)),
    ):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    expected, found = (load_progress(each.state_file) for each in (whole, run))
    for row in [*expected.history, *found.history]:
        del row["images_per_second"], row["waited_for_data"]
    assert expected.history == found.history
    assert expected.class_ap == found.class_ap
    assert len(found.class_ap) == len(found.history)


@pytest.mark.slow
def test_a_killed_run_resumes_as_if_it_had_never_stopped(folder, options, whole, monkeypatch):
    run, _ = train_until(options, folder / "killed", 2, monkeypatch)
    assert load_progress(run.state_file).epoch == 2
    assert "Ended by an error at " in page_text(run)
    resumed = training.resume_run(run.folder)
    assert_same_end(whole, resumed)
    page = page_text(resumed)
    assert "Ended by" not in page
    assert "Finished ; resumed from the end of epoch 2." in page


def page_text(run):
    return Page(run.progress_page.read_text(encoding="utf-8")).text


def stored(path):
    """The arrays of a weights file by name."""
    found = {}

    def visit(name, member):
        if isinstance(member, h5py.Dataset):
            found[name] = member[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def killed(*_):
    raise Killed


def kill_at(epoch, step, monkeypatch, train):
    """Train, and stop without warning at a step of an epoch, both counted from 0."""

    def stop(self, batch, logs=None):
        if (self.batches.epoch, self.batches.first_step + batch) == (epoch, step):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "on_train_batch_end", stop)
        with pytest.raises(Killed):
            train()


def test_a_run_killed_within_epochs_ends_as_if_it_had_never_stopped(
    folder, options, whole, monkeypatch, capsys
):
    """With a state after every step, killed in both phases, and before the page is written."""
    run = training.Run(folder / "within")
    config = Config(**options, save_minutes=1e-9, run_dir=str(run.folder))
    kill_at(0, 3, monkeypatch, lambda: training.train_model(config))
    assert load_progress(run.state_file).position == "step 3 of epoch 1"
    with monkeypatch.context() as patch:
        patch.setattr(ProgressPage, "on_epoch_end", killed)
        with pytest.raises(Killed):
            training.resume_run(run.folder)
    assert load_progress(run.state_file).epoch == 0  # so the page will be written
    kill_at(2, 2, monkeypatch, lambda: training.resume_run(run.folder))
    assert load_progress(run.state_file).position == "step 2 of epoch 3"
    training.resume_run(run.folder)
    assert "from step 2 of epoch 3; it has 3 epochs" in capsys.readouterr().out
    assert_same_end(whole, run)
    assert "Finished ; resumed 3 times, last from step 2 of epoch 3." in page_text(run)


@pytest.mark.slow
def test_a_run_killed_in_its_first_epoch_keeps_the_weights_it_started_from(
    folder, settings, finished, monkeypatch
):
    options = {**settings, "epochs": 1, "weights": str(finished.folder), "freeze_epochs": 1}
    run, _ = train_until(options, folder / "early", 0, monkeypatch)
    loaded = []

    def note(self, setup, model, *rest):
        loaded.extend(model.get_weights())
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training, "_run_epochs", lambda *a: note(None, *a))
        with pytest.raises(Killed):
            training.resume_run(run.folder)
    reference = build_model(finished.config(), 4)
    reference.load_weights(finished.best_weights)
    for a, b in zip(loaded, reference.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.slow
@pytest.mark.parametrize("fine_tuned", [False, True])
def test_a_run_killed_right_after_unfreezing_resumes_as_if_it_had_never_stopped(
    folder, settings, finished, monkeypatch, fine_tuned
):
    options = {**settings, "freeze_epochs": 1, "epochs": 2, "optimizer": "adamw"}
    if fine_tuned:
        options |= {
            "weights": str(finished.folder),
            "freeze_bn": True,
            "backbone_lr_fraction": 0.1,
        }
    whole = training.train_model(Config(**options, run_dir=str(folder / f"thawed_{fine_tuned}")))
    run, _ = train_until(options, folder / f"thawed_killed_{fine_tuned}", 1, monkeypatch)
    parts = arrays(training.resume_run(run.folder))
    for name, value in arrays(whole).items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.mark.slow
def test_a_multi_scale_run_traces_once_and_resumes_as_if_it_had_never_stopped(
    folder, settings, monkeypatch
):
    traces, compute_loss = [], YOLOv4.compute_loss

    def counted(self, x, *arguments, **named):
        traces.append(tuple(x.shape[1:3]))
        return compute_loss(self, x, *arguments, **named)

    monkeypatch.setattr(YOLOv4, "compute_loss", counted)
    options = {**settings, "multi_scale": (0.5, 1.5), "batch_size": 2, "epochs": 2}
    config = Config(**options, run_dir=str(folder / "scaled"))
    assert config.training_sizes == ((32, 32), (64, 64), (96, 96))
    whole = training.train_model(config)
    assert traces == [(None, None)]
    run, _ = train_until(options, folder / "scaled_killed", 1, monkeypatch)
    parts = arrays(training.resume_run(run.folder))
    for name, value in arrays(whole).items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    found = load_run_model(whole)
    assert found.input_shape == (None, 64, 64, 3)
