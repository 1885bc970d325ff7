"""The state is saved within an epoch, and an epoch that is continued ends as if uninterrupted."""

from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from yolo4.run import Run
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import within_epoch
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.callbacks.within_epoch import SaveWithinEpoch
from yolo4.train.optimizer.optimizers import SGD, Adam
from yolo4.train.state.checkpoint import load_state, save_state
from yolo4.train.state.progress import Progress, load_progress

pytestmark = pytest.mark.quick

STEPS, BATCH = 6, 2
SOON = 1e-9  # minutes: after every step


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder, rng, records = tmp_path_factory.mktemp("images"), np.random.default_rng(0), []
    for i in range(STEPS * BATCH):
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        box, label = np.array([[4, 4, 9, 9]], np.float32), np.zeros(1, np.int32)
        records.append(Record(path, (16, 16), box, label, np.zeros(1, bool)))
    return TrainingSet(records, (16, 16), 3, Augmentation(), composite_epochs=5)


class Network(keras.Model):
    """Two layers with a batch norm; the loss has another term with a running mean."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = keras.ops.mean(keras.ops.square(y_pred - keras.ops.mean(x) / 255))
        self.term.update_state(loss)
        return loss


class Killed(Exception):  # noqa: N818 - it is an event, not an error
    pass


class KillAfter(keras.callbacks.Callback):
    def __init__(self, steps):
        super().__init__()
        self.left = steps

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise Killed


def network(seed, optimizer, **options):
    keras.utils.set_random_seed(seed)
    images = keras.Input((16, 16, 3))
    hidden = keras.layers.Conv2D(4, 3, name="first")(images / 255.0)
    hidden = keras.layers.BatchNormalization(name="norm")(hidden)
    model = Network(images, keras.layers.Conv2D(1, 3, name="second")(hidden))
    model.term = keras.metrics.Mean(name="term")
    model.compile(optimizer(learning_rate=0.01, decay=0.1, **options), jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def fit(model, run, dataset, progress, *others, minutes=SOON):
    """One epoch, or what is left of it; returns its logs."""
    batches = TrainingBatches(dataset, BATCH, progress.epoch, 2, progress.step)
    history = keras.callbacks.History()
    bar, save = (
        ProgressBar(9, batches, progress),
        SaveWithinEpoch(run, progress, batches, minutes),
    )
    model.fit(
        batches,
        initial_epoch=progress.epoch,
        epochs=progress.epoch + 1,
        shuffle=False,
        verbose=0,
        callbacks=[bar, save, *others, history],
    )
    return {name: values[0] for name, values in history.history.items()}


def everything(model):
    values = [*model.weights, *model.optimizer.variables, *model.metrics_variables]
    return [keras.ops.convert_to_numpy(value) for value in values]


@pytest.mark.parametrize("steps", [1, 3, 4])
@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": Adam, "average": 0.9, "gradient_accumulation_steps": 3},
        {"optimizer": SGD, "average": None, "momentum": 0.9, "global_clipnorm": 1.0},
    ],
)
def test_a_continued_epoch_ends_bit_for_bit_as_an_uninterrupted_one(
    dataset, tmp_path, options, steps
):
    whole, part = network(1, **options), network(1, **options)
    expected = fit(whole, Run(tmp_path / "whole"), dataset, Progress())
    run = Run(tmp_path / "part")
    with pytest.raises(Killed):
        fit(part, run, dataset, Progress(), KillAfter(steps))

    again, progress = network(2, **options), load_progress(run.state_file)
    assert (progress.epoch, progress.step) == (0, steps)
    load_state(run.state_file, again, optimizer=True)
    found = fit(again, run, dataset, progress)
    for name in ("loss", "term"):
        assert found[name] == expected[name], name
    for a, b in zip(everything(again), everything(whole), strict=True):
        np.testing.assert_array_equal(a, b)
    assert 0 < progress.waited <= progress.seconds or progress.waited == 0


def saves(dataset, run, minutes, seconds_per_step, monkeypatch):
    """The steps of an epoch at whose end the state is saved."""
    now, saved = [0.0], []

    def save(path, model, progress):
        assert path == run.state_file
        saved.append(progress.step)

    monkeypatch.setattr(within_epoch, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(within_epoch, "save_state", save)
    batches = TrainingBatches(dataset, BATCH, 0, 1)
    callback = SaveWithinEpoch(run, Progress(), batches, minutes)
    callback.set_model(SimpleNamespace(get_weights=lambda: [np.ones(2)]))
    callback.on_epoch_begin(0)
    for batch in range(STEPS):
        now[0] += seconds_per_step
        callback.on_train_batch_end(batch, {})
    return saved


@pytest.mark.parametrize(
    ("minutes", "seconds_per_step", "expected"),
    [
        (0, 600, []),  # never
        (10, 50, []),  # the epoch is shorter
        (10, 300, [2, 4]),
        (10, 599, [2, 4]),
        (10, 600, [1, 2, 3, 4]),  # the rest of an epoch has two steps at least
        (0.5, 10, [3]),
    ],
)
def test_the_state_is_saved_every_so_many_minutes(
    dataset, tmp_path, monkeypatch, minutes, seconds_per_step, expected
):
    found = saves(dataset, Run(tmp_path), minutes, seconds_per_step, monkeypatch)
    assert found == expected


def test_weights_that_are_not_finite_are_not_saved(dataset, tmp_path):
    run, model = Run(tmp_path), network(1, SGD, average=None)
    save_state(run.state_file, model, Progress(epoch=7))
    spoil = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: model.weights[0].assign(
            keras.ops.full_like(model.weights[0], np.nan)
        )
    )
    batches = TrainingBatches(dataset, BATCH, 0, 1)
    save = SaveWithinEpoch(run, Progress(), batches, SOON)
    model.fit(batches, shuffle=False, verbose=0, callbacks=[spoil, save])
    assert load_progress(run.state_file).epoch == 7
