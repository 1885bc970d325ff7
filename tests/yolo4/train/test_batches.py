"""`fit` receives exactly the batches of the training set, epoch after epoch."""

import time
from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest

from utils.errors import UserError
from utils.image import ImageError
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.worker_processes import MAX_THREADS, batch_maker
from yolo4.train import batches as training_batches
from yolo4.train.batches import TrainingBatches
from yolo4.train.callbacks import progress_bar
from yolo4.train.callbacks.progress_bar import ProgressBar
from yolo4.train.state.progress import Progress

SIZE = (32, 32)
BATCH = 2


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    found = []
    for i in range(7):
        path = folder / f"{i}.png"
        cv2.imwrite(str(path), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
        boxes = np.array([[4, 4, 20 + i, 30]], np.float32)
        found.append(Record(path, (40, 40), boxes, np.array([i % 2], np.int32), np.zeros(1, bool)))
    return found


SIZES = ((32, 32), (64, 64), (96, 96))
SETS = ((), SIZES)  # of one size, and of several


def training_set(records, sizes=()):
    """Mosaic and mixup in the first two epochs only, so that a wrong epoch number shows."""
    return TrainingSet(records, SIZE, 3, Augmentation(), composite_epochs=2, sizes=sizes)


class RecordingModel(keras.Model):
    """Keeps every batch that `fit` gives it; its loss is nothing."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.seen.append((np.array(x), {name: np.array(value) for name, value in y.items()}))
        return keras.ops.sum(y_pred) * 0.0


def fit(batches, first, last):
    """What `fit` sees from epoch `first` to before `last`."""
    images = keras.Input((None, None, 3))
    model = RecordingModel(images, keras.layers.Dense(1)(images))
    model.seen = []
    model.compile("sgd", run_eagerly=True)
    with batches.original_errors():
        model.fit(batches, initial_epoch=first, epochs=last, shuffle=False, verbose=0)
    return model.seen


@pytest.mark.parametrize(
    ("workers", "first", "sizes"),
    [
        *((workers, first, sizes) for workers in (1, 3) for first in (0, 2) for sizes in SETS),
        # Processes, which take a second to start.
        (MAX_THREADS + 1, 2, ()),
        (MAX_THREADS + 1, 0, SIZES),
    ],
)
def test_fit_sees_each_batch_of_each_epoch_in_order(records, workers, first, sizes):
    dataset = training_set(records, sizes)
    with batch_maker(dataset, BATCH, workers) as maker:
        seen = fit(TrainingBatches(maker, BATCH, first, workers), first, first + 3)
    steps = dataset.steps(BATCH)
    assert len(seen) == 3 * steps
    for i, (images, targets) in enumerate(seen):
        expected_images, expected = dataset.batch(i % steps, first + i // steps, BATCH)
        np.testing.assert_array_equal(images, expected_images)
        for name in ("boxes", "labels", "difficult"):
            np.testing.assert_array_equal(targets[name], expected[name])


def test_a_resumed_training_sees_what_an_uninterrupted_one_sees(records):
    whole = fit(TrainingBatches(training_set(records), BATCH, 0, 2), 0, 4)
    parts = fit(TrainingBatches(training_set(records), BATCH, 0, 1), 0, 1)
    parts += fit(TrainingBatches(training_set(records), BATCH, 1, 3), 1, 4)
    for (images, _), (others, _) in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(images, others)


@pytest.mark.quick
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("sizes", [(), SIZES])
@pytest.mark.parametrize("first_step", [1, 2])
def test_the_rest_of_an_epoch_is_what_an_uninterrupted_one_sees(
    records, workers, sizes, first_step
):
    dataset = training_set(records, sizes)
    seen = fit(TrainingBatches(dataset, BATCH, 1, workers, first_step), 1, 2)
    expected = [dataset.batch(step, 1, BATCH)[0] for step in range(first_step, 4)]
    for (images, _), others in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(images, others)


@pytest.mark.quick
@pytest.mark.parametrize("first", range(12))
def test_the_rest_of_an_epoch_may_begin_with_two_batches_of_one_size(records, first):
    """Keras must not take that for the only size: these are the last of a turn and the first."""
    dataset = training_set([*records] * 2, SIZES)
    batches = TrainingBatches(dataset, BATCH, first, 2, first_step=2)
    images = keras.Input((None, None, 3))
    model = TracedModel(images, keras.layers.Dense(1)(images))
    model.traces, model.pixels = 0, keras.metrics.Mean(name="pixels")
    model.compile("sgd", jit_compile=False)
    model.fit(batches, initial_epoch=first, epochs=first + 1, shuffle=False, verbose=0)
    model.fit(TrainingBatches(dataset, BATCH, first + 1, 2), shuffle=False, verbose=0)
    assert model.traces == 1


class TracedModel(keras.Model):
    """Counts how often its step is traced; its loss is the number of pixels of an image."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        self.traces += 1
        shape = keras.ops.shape(y_pred)
        pixels = keras.ops.cast(shape[1] * shape[2], "float32")
        self.pixels.update_state(pixels)
        return pixels + keras.ops.sum(y_pred) * 0.0


@pytest.mark.quick
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("first", range(4))
def test_a_step_is_traced_once_for_all_sizes(records, workers, first):
    """Whichever two sizes come first: those of four epochs differ."""
    dataset = training_set(records, SIZES)
    batches = TrainingBatches(dataset, BATCH, first, workers)
    images = keras.Input((None, None, 3))
    model = TracedModel(images, keras.layers.Dense(1)(images))
    model.traces, model.pixels = 0, keras.metrics.Mean(name="pixels")
    model.compile("sgd", jit_compile=False)
    logs = model.fit(batches, initial_epoch=first, epochs=first + 3, shuffle=False, verbose=0)
    assert model.traces == 1
    sizes = [[dataset.size(step, first + k) for step in range(4)] for k in range(3)]
    expected = [np.mean([height * width for height, width in epoch]) for epoch in sizes]
    np.testing.assert_allclose(logs.history["pixels"], expected)


@pytest.mark.quick
@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_image_comes_out_as_the_error_that_names_it(records, workers, tmp_path):
    gone = tmp_path / "gone.png"
    bad = Record(gone, (40, 40), records[0].boxes, records[0].labels, records[0].difficult)
    dataset = TrainingSet([*records, *records, bad], SIZE, 0, Augmentation(mosaic=0, mixup=0), 0)
    order = dataset.order(0, BATCH)
    assert np.argwhere(order == len(dataset) - 1)[0, 0] > 2, "Keras looks into the first itself"
    with pytest.raises(ImageError, match=r"gone\.png"):
        fit(TrainingBatches(dataset, BATCH, 0, workers), 0, 1)


@pytest.mark.quick
def test_other_errors_stay_as_they_are(records):
    batches = TrainingBatches(training_set(records), BATCH, 0, 1)
    with pytest.raises(ZeroDivisionError), batches.original_errors():
        raise ZeroDivisionError
    with pytest.raises(UserError, match="mine"), batches.original_errors():
        raise UserError("mine")


class SlowModel(keras.Model):
    """Each of its steps takes some time."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        time.sleep(self.seconds)
        return keras.ops.sum(y_pred) * 0.0


def waited(making: float, training: float, workers: int) -> float:
    """The logged fraction of waiting, given the seconds of a batch and of a step."""

    def batch(step, epoch, batch_size):
        time.sleep(making)
        return np.zeros((batch_size, *SIZE, 3), np.uint8), {"labels": np.zeros((batch_size, 1))}

    dataset = SimpleNamespace(steps=lambda batch_size: 4, batch=batch)
    batches = TrainingBatches(dataset, BATCH, 0, workers)
    images = keras.Input((*SIZE, 3))
    model = SlowModel(images, keras.layers.Dense(1)(images))
    model.seconds = training
    model.compile("sgd", run_eagerly=True)
    bar, logs = ProgressBar(1, batches, Progress()), keras.callbacks.History()
    model.fit(batches, shuffle=False, verbose=0, callbacks=[bar, logs])
    return logs.history["waited_for_data"][0]


@pytest.mark.slow  # test_the_share_of_waiting_by_hand holds the same without a clock
def test_fit_waits_for_slow_data_and_not_for_fast():
    assert waited(making=1.0, training=0, workers=2) > 0.3
    assert waited(making=0.001, training=0.5, workers=2) < 0.2


@pytest.mark.quick
@pytest.mark.parametrize(("ahead", "share"), [(False, 0.75), (True, 0.0)])
def test_the_share_of_waiting_by_hand(records, monkeypatch, ahead, share):
    """A batch takes 3 s and a step 1: made when it is asked for, or while the last one is used."""
    now = [0.0]
    clock = SimpleNamespace(perf_counter=lambda: now[0])
    for module in (training_batches, progress_bar):
        monkeypatch.setattr(module, "time", clock)
    batches = TrainingBatches(training_set(records), BATCH, 0, 1)
    bar = ProgressBar(1, batches, Progress())
    bar.set_params({"steps": len(batches)})
    bar.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=0.1)))
    if ahead:
        for step in range(len(batches)):
            batches[step]
    bar.on_epoch_begin(0)
    for step in range(len(batches)):
        bar.on_train_batch_begin(step)
        if not ahead:
            now[0] += 3
            batches[step]
        now[0] += 1
        bar.on_train_batch_end(step, {})
    bar.on_epoch_end(0, logs := {})
    assert logs["waited_for_data"] == pytest.approx(share)
