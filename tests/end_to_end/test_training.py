"""Whole trainings, of a tiny network on a tiny data set."""

import csv
import dataclasses
import json

import keras
import numpy as np
import pytest

from tests.end_to_end.tiny_training import arrays, train_until
from tests.helpers import darknet_reference
from tests.helpers.report_page import Page
from utils.errors import UserError
from yolo4.build import build_model
from yolo4.cli import parse
from yolo4.config import Config
from yolo4.runs.listing import describe_run
from yolo4.sample_data.make import make_sample_data
from yolo4.train import loop as training
from yolo4.train.callbacks.finite import NonFiniteLossError
from yolo4.train.callbacks.history import COLUMNS
from yolo4.train.command import train
from yolo4.train.options import train_defaults
from yolo4.train.state.progress import Progress, load_progress


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
    events = {path.parent.name for path in finished.events_folder.rglob("events*")}
    assert events == {"train", "validation", "detections"}
    assert not list(finished.folder.glob(".*")), "a temporary file is left over"
    assert finished.class_names() == ("apple", "key", "ladybird", "leaf")


def test_the_page_shows_the_finished_training(finished):
    page = Page(finished.progress_page.read_text(encoding="utf-8"))
    progress = load_progress(finished.state_file)
    assert "Finished ." in page.text
    assert "3 of 3" in page.text
    assert "data: 6 training and 2 validation images · yolov4-tiny-3l 0.05/0.1 at 64" in page.text
    assert f"{100 * progress.history[-1]['map50']:.1f}" in page.text
    assert all(name in page.text for name in finished.class_names())
    assert [epoch for epoch, *_ in progress.class_ap] == [2, 3]
    # Two validation images and the first batch.
    assert len(page.tags("img")) == 3


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
    run = training.Run(folder / "diverged")
    row = describe_run(run)
    assert (row["state"], row["epochs"]) == ("failed", 0)
    assert "at epoch 1, step" in row["reason"]
    values = arrays(run)
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
