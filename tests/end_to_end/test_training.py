"""Whole trainings, of a tiny network on a tiny data set."""

import csv
import dataclasses
import json

import h5py
import keras
import numpy as np
import pytest

from nets.yolov4 import YOLOv4
from tests.helpers import darknet_reference
from utils.errors import UserError
from yolo4.build import build_model, load_run_model
from yolo4.cli import parse
from yolo4.config import Config
from yolo4.sample_data.make import make_sample_data
from yolo4.train import loop as training
from yolo4.train.callbacks.finite import NonFiniteLossError
from yolo4.train.callbacks.history import COLUMNS
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.command import train
from yolo4.train.options import train_defaults
from yolo4.train.state.progress import Progress, load_progress

EPOCHS = 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def settings(folder):
    data = make_sample_data(folder / "data", train=6, val=2, test=2, size=96)
    return {
        "data": (str(data),),
        "width": 0.05,
        "depth": 0.1,
        "input_size": 64,
        "epochs": EPOCHS,
        "batch_size": 4,
        "eval_period": 2,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "ema": 0.9,
    }


@pytest.fixture(scope="module")
def finished(folder, settings):
    return training.train_model(Config(**settings, run_dir=str(folder / "finished")))


class Killed(Exception):  # noqa: N818 - it is an event, not an error
    """Stands for a kill: nothing of the program runs afterwards."""


def train_until(settings, run_dir, epoch, monkeypatch, error=Killed):
    """Train, and stop without warning in the middle of an epoch counted from 0."""

    def stop(self, batch, logs=None):
        if load_progress(run.state_file).epoch == epoch:
            raise error

    run = training.Run(run_dir)
    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "on_train_batch_end", stop)
        with pytest.raises(error) as caught:
            training.train_model(Config(**settings, run_dir=str(run_dir)))
    return run, caught.value


def arrays(run):
    with np.load(run.state_file) as state:
        return {name: state[name] for name in state.files if name != "progress"}


def test_a_run_folder_has_all_that_is_promised(finished):
    for file in (
        finished.config_file,
        finished.classes_file,
        finished.anchors_file,
        finished.best_weights,
        finished.last_weights,
        finished.state_file,
        finished.curves_picture,
        finished.batch_picture,
        finished.detections_picture,
    ):
        assert file.stat().st_size > 0
    assert list(finished.events_folder.rglob("events*"))
    assert not list(finished.folder.glob(".*")), "a temporary file is left over"
    assert finished.class_names() == ("apple", "key", "ladybird", "leaf")


def test_history_has_a_row_per_epoch_and_terms_that_sum_to_the_loss(finished):
    with finished.history_file.open(encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    assert reader.fieldnames == COLUMNS
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3]
    for row in rows:
        terms = [float(row[name]) for name in ("box", "confidence", "class")]
        assert float(row["loss"]) == pytest.approx(sum(terms), rel=1e-3)
    # Measured every second epoch and after the last.
    assert [bool(row["map50"]) for row in rows] == [False, True, True]
    assert [bool(row["val_loss"]) for row in rows] == [False, True, True]


def test_a_killed_run_resumes_as_if_it_had_never_stopped(folder, settings, finished, monkeypatch):
    run, _ = train_until(settings, folder / "killed", 2, monkeypatch)
    assert load_progress(run.state_file).epoch == 2
    resumed = training.resume_run(run.folder)
    whole, parts = arrays(finished), arrays(resumed)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    rows = [load_progress(r.state_file).history for r in (finished, resumed)]
    for a, b in zip(*rows, strict=True):
        for row in (a, b):
            del row["images_per_second"], row["waited_for_data"]
        assert a == pytest.approx(b, rel=1e-4)


def stored(path):
    """The arrays of a weights file by name."""
    found = {}

    def visit(name, member):
        if isinstance(member, h5py.Dataset):
            found[name] = member[()]

    with h5py.File(path) as file:
        file.visititems(visit)
    return found


def kill_at(epoch, step, monkeypatch, train):
    """Train, and stop without warning at a step of an epoch, both counted from 0."""

    def stop(self, batch, logs=None):
        if (self.batches.epoch, self.batches.first_step + batch) == (epoch, step):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(ProgressBar, "on_train_batch_end", stop)
        with pytest.raises(Killed):
            train()


def test_a_run_killed_within_epochs_ends_bit_for_bit_as_if_it_had_never_stopped(
    folder, settings, monkeypatch, capsys
):
    """With a frozen backbone, accumulated gradients and averages, killed in both phases."""
    options = {**settings, "network": "yolov4-tiny", "batch_size": 1, "freeze_batch_size": 1}
    options |= {"freeze_epochs": 1, "accumulate": 2, "optimizer": "adamw", "eval_period": 1}
    whole = training.train_model(Config(**options, run_dir=str(folder / "whole")))
    run = training.Run(folder / "within")
    config = Config(**options, save_minutes=1e-9, run_dir=str(run.folder))
    kill_at(0, 3, monkeypatch, lambda: training.train_model(config))
    assert load_progress(run.state_file).position == "step 3 of epoch 1"
    kill_at(2, 2, monkeypatch, lambda: training.resume_run(run.folder))
    assert load_progress(run.state_file).position == "step 2 of epoch 3"
    training.resume_run(run.folder)
    assert "from step 2 of epoch 3; it has 3 epochs" in capsys.readouterr().out
    for expected, found in (
        (arrays(whole), arrays(run)),
        (stored(whole.last_weights), stored(run.last_weights)),
        (stored(whole.best_weights), stored(run.best_weights)),
    ):
        assert expected.keys() == found.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
    rows = [load_progress(r.state_file).history for r in (whole, run)]
    for row in [row for history in rows for row in history]:
        del row["images_per_second"], row["waited_for_data"]
    assert rows[0] == rows[1]


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


def test_the_frozen_backbone_does_not_move_and_the_rest_does(folder, settings, monkeypatch):
    options = {**settings, "freeze_epochs": 2, "freeze_batch_size": 3, "weight_decay": 0.1}
    run, error = train_until(options, folder / "frozen", 1, monkeypatch, KeyboardInterrupt)
    assert "--resume" in str(error)
    model = build_model(run.config(), 4)
    moved = {}
    state = arrays(run)
    keras.utils.set_random_seed(run.config().seed)
    start = build_model(run.config(), 4).get_weights()
    for i, weight in enumerate(model.weights):
        layer = weight.path.split("/")[0]
        moved[layer] = moved.get(layer, False) or not np.array_equal(state[f"weight_{i}"], start[i])
    for name, changed in moved.items():
        assert changed == (int(name.split("_")[1]) > model.backbone_convolutions), name


def test_frozen_statistics_stay_those_of_the_initial_weights(folder, settings, finished):
    options = {**settings, "weights": str(finished.folder), "freeze_bn": True, "epochs": 1}
    run = training.train_model(Config(**options, run_dir=str(folder / "kept")))
    model, state = build_model(run.config(), 4), arrays(run)
    model.load_weights(finished.best_weights)
    moved = {
        weight.name
        for i, weight in enumerate(model.weights)
        if not np.array_equal(state[f"weight_{i}"], weight)
    }
    assert moved == {"kernel", "bias", "gamma", "beta"}


def test_frozen_statistics_have_to_be_those_of_the_whole_network(settings, finished, tmp_path):
    model = build_model(finished.config(), 4)
    model.load_weights(finished.best_weights)
    content = darknet_reference.weights(model)
    (tmp_path / "half.weights").write_bytes(content[: len(content) // 2])
    options = {**settings, "weights": str(tmp_path / "half.weights"), "freeze_bn": True}
    with pytest.raises(UserError, match=r"^--freeze-bn: .*half\.weights has .* of \d+ of the \d+ "):
        training.train_model(Config(**options, run_dir=str(tmp_path / "run")))
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_not_finite_stops_and_keeps_good_weights(folder, settings):
    # Gains that the smallest step turns into weights beyond float32.
    options = {"box_gain": 1e30, "learning_rate": 10.0, "gradient_clip": None, "epochs": 3}
    config = Config(**{**settings, **options}, warmup_epochs=0.0, run_dir=str(folder / "diverged"))
    with pytest.raises(NonFiniteLossError, match=r"epoch 1, step \d.*--learning-rate"):
        training.train_model(config)
    values = arrays(training.Run(folder / "diverged"))
    assert all(np.isfinite(value).all() for value in values.values())


class TestRefusals:
    def test_a_folder_that_holds_a_run(self, settings, finished):
        with pytest.raises(UserError, match="--resume"):
            training.train_model(Config(**settings, run_dir=str(finished.folder)))

    def test_resuming_what_is_done(self, finished):
        with pytest.raises(UserError, match="all its 3 epochs are done"):
            training.resume_run(finished.folder)

    def test_resuming_what_stopped_early(self, finished, tmp_path):
        copy = training.Run(tmp_path)
        copy.config_file.write_bytes(finished.config_file.read_bytes())
        progress = Progress(epoch=2, best_epoch=1, stopped_early=True)
        np.savez(copy.state_file, progress=json.dumps(dataclasses.asdict(progress)))
        with pytest.raises(
            UserError, match=r"--early-stopping ended it after epoch 2.* since epoch 1"
        ):
            training.resume_run(copy.folder)

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--epochs", "7"], r"--epochs 7 .* in which it is 3; a new run"),
            (["--ema", "None"], r"--ema None .* in which it is 0.9; a new run"),
            # These are what CONFIG says anyway.
            (["--epochs", "16"], r"--epochs 16 .* in which it is 3; a new run"),
            (
                ["--confidence-loss=focal", "--batch-size=8"],
                r"--batch-size 8 .* in which it is 4; a new run",
            ),
            (["--preset", "full"], r"^--preset cannot be given with --resume: .* own settings$"),
        ],
    )
    def test_resuming_with_another_setting(self, finished, flags, message):
        argv = ["--resume", str(finished.folder), *flags]
        default = train_defaults({"preset": "sample"}, argv)
        with pytest.raises(UserError, match=message):
            train(parse(default, "", argv))

    def test_flags_that_agree_with_the_run_are_no_obstacle_to_resuming(self, finished):
        argv = ["--resume", str(finished.folder), "--epochs", "3"]
        with pytest.raises(UserError, match="all its 3 epochs are done"):
            train(parse(train_defaults({"preset": "sample", "hue": 0.5}, argv), "", argv))

    @pytest.mark.parametrize("older", [True, False])
    def test_resuming_with_other_data(self, finished, settings, tmp_path, older):
        copy = training.Run(tmp_path / "copy")
        copy.folder.mkdir()
        files = [finished.state_file, finished.classes_file, finished.anchors_file]
        for file in [*files, *([] if older else [finished.data_file])]:
            (copy.folder / file.name).write_bytes(file.read_bytes())
        data = make_sample_data(tmp_path / "data", train=5, val=2, test=2, size=96)
        config = json.loads(finished.config_file.read_text(encoding="utf-8"))
        config |= {"data": [str(data)], "epochs": 9}
        copy.config_file.write_text(json.dumps(config), encoding="utf-8")
        message = "5 images, but 6" if older else r"train_00005\.jpg gone"
        with pytest.raises(UserError, match=f"this has changed: train: .*{message}"):
            training.resume_run(copy.folder)

    def test_resuming_what_an_older_version_began(self, finished, tmp_path):
        copy = training.Run(tmp_path)
        copy.state_file.write_bytes(finished.state_file.read_bytes())
        config = dataclasses.replace(finished.config(), positives_per_image=None, epochs=9)
        copy.config_file.write_text(config.to_json())
        message = r"config\.json: found no positives_per_image, .* start a new one with --weights"
        with pytest.raises(UserError, match=message):
            training.resume_run(copy.folder)

    def test_data_without_training_images(self, settings, tmp_path):
        data = make_sample_data(tmp_path / "data", train=4, val=1, test=1, size=96)
        (data / "ImageSets/Main/train.txt").write_text("")
        with pytest.raises(UserError, match="no usable image for train"):
            training.train_model(
                Config(**{**settings, "data": (str(data),)}, run_dir=str(tmp_path / "r"))
            )
        assert not (tmp_path / "r").exists()

    def test_an_unknown_setting_in_the_script(self):
        with pytest.raises(UserError, match=r"CONFIG: .*'epoch'.*did you mean 'epochs'"):
            train_defaults({"epoch": 3}, [])


def test_flags_reach_the_settings():
    flags = ["--confidence-loss", "bce", "--input-size", "64", "96", "--anchors", "auto"]
    config = parse(Config(), "", flags)
    assert (config.confidence_loss, config.input_shape, config.anchors) == ("bce", (64, 96), "auto")
