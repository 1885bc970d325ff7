"""Samples: boxes lie on the painted objects, and pixels depend on seed, epoch and index."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from tests.utils.training_data.painted import OFF, bounds, compare_painted, write
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from utils.training_data.validation_set import ValidationSet


@pytest.mark.parametrize(
    "varied",
    [
        {},
        {"flip": 0.5},
        {"scale": 0.4, "translate": 0.2},
        {"mosaic": 1.0, "flip": 0.5, "scale": 0.4},
        {"mosaic": 1.0},
        {"cutmix": 1.0},
    ],
    ids=["fitted", "flip", "scale-translate", "mosaic-all", "mosaic", "cutmix"],
)
@pytest.mark.parametrize("size", [(192, 192), (128, 224)])
@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_boxes_lie_on_the_painted_objects(painted, varied, size, resize):
    varied = replace(OFF, **varied)
    data = TrainingSet(painted, size, 7, varied, composite_epochs=99, resize=resize)
    samples = [data.sample(index, epoch) for index in range(7) for epoch in range(8)]
    assert all(sample.image.shape == (*size, 3) for sample in samples)
    assert sum(map(compare_painted, samples)) > 50


def test_boxes_lie_on_the_painted_objects_under_mixup(tmp_path):
    """Red and green objects: the difference to blue sees either through the other image."""
    records = [
        write(tmp_path, 0, (300, 200), [[60, 40, 180, 150]]),
        write(tmp_path, 1, (200, 240), [[20, 90, 120, 200]]),
    ]
    augmentation = replace(OFF, mixup=1, flip=0.5, scale=0.4, translate=0.1)
    data = TrainingSet(records, (160, 192), 3, augmentation, composite_epochs=99)
    compared = 0
    for epoch in range(30):
        sample = data.sample(epoch % 2, epoch)
        if sorted(sample.labels) != [0, 1]:
            continue
        for box, label in zip(sample.boxes, sample.labels, strict=True):
            stands_out = sample.image[..., label].astype(int) - sample.image[..., 2]
            np.testing.assert_allclose(bounds(stands_out > 60), box, atol=1.5)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("resize", ["letterbox", "stretch"])
def test_validation_boxes_lie_on_the_painted_objects_and_go_back(painted, resize):
    data = ValidationSet(painted, (160, 224), resize)
    for index, record in enumerate(painted):
        sample, box = data.sample(index)
        assert compare_painted(sample) == 1
        np.testing.assert_allclose(box.invert(sample.boxes), record.boxes, atol=0.01)


def test_stretched_images_have_no_padding_and_letterboxed_ones_have(painted):
    """Their ground is black, so that all gray is padding."""
    size = (160, 224)
    for resize, is_padded in (("stretch", False), ("letterbox", True)):
        training = TrainingSet(painted, size, 0, OFF, 0, resize=resize)
        validation = ValidationSet(painted, size, resize)
        for sample in (training.sample(1, 0), validation.sample(1)[0]):
            corner = sample.image[0, 0].tolist()
            assert corner == ([128] * 3 if is_padded else [0] * 3)


def test_a_file_is_the_same_whatever_the_workers_and_the_order(painted):
    def batches(workers, steps):
        data = TrainingSet(painted, (96, 128), 5, Augmentation(), composite_epochs=99)
        with ThreadPoolExecutor(workers) as pool:
            made = pool.map(lambda step: data.batch(step % 3, step // 3, 3), steps)
            return dict(zip(steps, made, strict=True))

    alone, crowd = batches(1, range(12)), batches(4, range(11, -1, -1))
    for step in range(12):
        np.testing.assert_array_equal(alone[step][0], crowd[step][0])
        for name, values in alone[step][1].items():
            np.testing.assert_array_equal(values, crowd[step][1][name])


def test_pixels_depend_on_seed_epoch_and_index(painted):
    same = [painted[0]] * 3
    data = TrainingSet(same, (96, 96), 5, Augmentation(), 0)
    other = TrainingSet(same, (96, 96), 6, Augmentation(), 0)
    images = [data.sample(0, 0), data.sample(1, 0), data.sample(0, 1), other.sample(0, 0)]
    for k, one in enumerate(images):
        for two in images[k + 1 :]:
            assert (one.image != two.image).any()
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.sample(2, 4).image, data.sample(2, 4).image)


def test_mosaic_and_mixup_end_with_the_composite_epochs(painted):
    augmentation = replace(OFF, mosaic=1, mixup=1)
    data = TrainingSet(painted, (96, 96), 0, augmentation, composite_epochs=3)
    shown = {
        epoch: [len(set(data.sample(i, epoch).labels)) for i in range(7)] for epoch in (2, 3, 4)
    }
    assert max(shown[2]) > 2
    assert shown[3] == shown[4] == [1] * 7
    assert TrainingSet(painted, (96, 96), 0, augmentation, 0).max_objects == 8


def test_cutmix_changes_a_rectangle_of_some_samples_and_nothing_else(painted):
    plain = TrainingSet(painted, (128, 160), 0, Augmentation(), composite_epochs=6)
    mixed = TrainingSet(painted, (128, 160), 0, Augmentation(cutmix=0.5), composite_epochs=6)
    shares = []
    for index in range(7):
        for epoch in range(8):
            one, two = plain.sample(index, epoch), mixed.sample(index, epoch)
            changed = (one.image != two.image).any(axis=2)
            if not changed.any():
                np.testing.assert_array_equal(one.boxes, two.boxes)
                continue
            shares.append(changed.mean())
            assert epoch < 6
            left, top, right, bottom = bounds(changed)
            # What lies outside the rectangle has the same box as before.
            apart = (one.boxes[:, 2] <= left) | (one.boxes[:, 0] >= right)
            apart |= (one.boxes[:, 3] <= top) | (one.boxes[:, 1] >= bottom)
            assert objects(one, apart) <= objects(two)
    # A binomial of 42 draws with 1/2, within 4 standard deviations.
    assert abs(len(shares) - 21) < 4 * np.sqrt(42 / 4)
    assert min(shares) < 0.2
    assert max(shares) > 0.5


def objects(sample, chosen=slice(None)):
    """Boxes and labels as a set."""
    pairs = zip(sample.boxes[chosen].tolist(), sample.labels[chosen].tolist(), strict=True)
    return {(*box, label) for box, label in pairs}


def test_a_sample_of_another_size_is_the_same_picture(painted):
    """The draws are those of the input size, so all positions scale, but for whole pixels."""
    data = TrainingSet(painted, (128, 128), 5, Augmentation(), 9)
    for index in range(7):
        for epoch in range(4):
            small, large = data.sample(index, epoch), data.sample(index, epoch, (384, 384))
            same = data.sample(index, epoch, (128, 128))
            np.testing.assert_array_equal(small.image, same.image)
            np.testing.assert_array_equal(small.boxes, same.boxes)
            assert large.image.shape == (384, 384, 3)
            if small.labels.tolist() == large.labels.tolist():
                np.testing.assert_allclose(small.boxes, large.boxes / 3, atol=3)
