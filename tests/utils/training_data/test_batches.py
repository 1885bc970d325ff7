"""Batches: every image once, sizes in turn, padded targets, what cannot be read."""

import itertools
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.utils.training_data.painted import OFF, SIZES, compare_painted, write
from utils.errors import UserError
from utils.image import ImageError
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.compose import Sample
from utils.training_data.dataset import TrainingSet
from utils.training_data.validation_set import ValidationSet


def crowded(folder: Path, counts) -> list[Record]:
    """Images with given numbers of objects."""
    grid = [[x, y, x + 6, y + 6] for y in range(0, 96, 8) for x in range(0, 96, 8)]
    return [write(folder, k, (96, 96), grid[:count]) for k, count in enumerate(counts)]


@pytest.mark.parametrize(
    ("counts", "varied", "special", "room"),
    [
        ([0], {}, 9, 8),
        ([8, 1], {}, 9, 8),
        ([9, 1], {}, 9, 16),
        ([10, 3], {"mosaic": 0.5}, 9, 40),
        ([10, 3], {"mixup": 0.5}, 9, 24),
        ([10, 3], {"cutmix": 0.5}, 9, 24),
        ([10, 3], {"mosaic": 0.5, "mixup": 0.5}, 9, 56),
        ([10, 3], {"mosaic": 0.5, "mixup": 0.5, "cutmix": 0.5}, 9, 64),
        ([10, 3], {"mosaic": 0.5, "mixup": 0.5}, 0, 16),
        ([60, 3], {"mosaic": 0.5}, 9, 128),
        ([130], {"mosaic": 0.5}, 9, 136),
    ],
)
def test_room_for_objects(tmp_path, counts, varied, special, room):
    records = crowded(tmp_path, counts)
    data = TrainingSet(records, (96, 96), 0, replace(OFF, **varied), special)
    assert data.max_objects == room
    assert ValidationSet(records, (96, 96)).max_objects == -(-max(*counts, 1) // 8) * 8


def test_no_object_of_a_crowd_is_dropped(tmp_path):
    """Composites that would not fit become smaller: every image's own objects stay."""
    counts = [100, 70, 40, 40, 20, 5, 0, 30]
    records = crowded(tmp_path, counts)
    # Mixup alone neither crops nor hides, so all objects of both images have to come out.
    data = TrainingSet(records, (96, 96), 0, replace(OFF, mixup=1), 99)
    totals = set()
    for index, count in enumerate(counts):
        for epoch in range(6):
            total = len(data.sample(index, epoch).labels)
            assert total <= data.max_objects == 128
            assert total - count in counts or total == count
            totals.add(total - count)
    assert len(totals) > 4
    data = TrainingSet(records, (96, 96), 0, replace(OFF, mosaic=1, mixup=0.5, cutmix=1), 99)
    for epoch in range(3):
        targets = data.batch(0, epoch, 8)[1]
        assert targets["labels"].shape == (8, 128)
    crowd = TrainingSet([records[0]] * 2, (96, 96), 0, replace(OFF, mosaic=1, mixup=1), 99)
    assert [len(crowd.sample(0, epoch).labels) for epoch in range(5)] == [100] * 5


def test_an_epoch_shows_each_image_once_and_fills_the_last_batch(painted):
    data = TrainingSet(painted, (64, 64), 0, OFF, 0)
    assert data.steps(3) == 3
    orders = [data.order(epoch, 3) for epoch in range(4)]
    for order in orders:
        assert order.shape == (3, 3)
        assert sorted(order.ravel()[:7]) == list(range(7))
        np.testing.assert_array_equal(order.ravel()[7:], order.ravel()[:2])
    assert len({tuple(order.ravel()) for order in orders}) > 1
    images, targets = data.batch(2, 1, 3)
    assert targets["labels"][:, 0].tolist() == orders[1][2].tolist()
    for image, index in zip(images, orders[1][2], strict=True):
        np.testing.assert_array_equal(image, data.sample(int(index), 1).image)


SCALES = ((64, 96), (96, 160), (128, 192))


def test_every_size_comes_once_before_any_comes_again(painted):
    data = TrainingSet(painted, (96, 160), 5, OFF, 0, sizes=SCALES)
    drawn = [[data.size(step, epoch) for step in range(9)] for epoch in range(20)]
    for sizes in drawn:
        for turn in (sizes[:3], sizes[3:6], sizes[6:]):
            assert sorted(turn) == sorted(SCALES)
    assert {tuple(sizes[:3]) for sizes in drawn} == set(itertools.permutations(SCALES))
    assert any(sizes[:3] != sizes[3:6] for sizes in drawn)
    other = TrainingSet(painted, (96, 160), 6, OFF, 0, sizes=SCALES)
    assert drawn != [[other.size(step, epoch) for step in range(9)] for epoch in range(20)]
    copy = pickle.loads(pickle.dumps(data))
    assert copy.size(4, 7) == drawn[7][4]


def test_the_images_of_a_batch_have_its_size_and_the_boxes_lie_on_the_objects(painted):
    data = TrainingSet(painted, (96, 160), 5, replace(OFF, mosaic=0.5, flip=0.5), 9, sizes=SCALES)
    compared = 0
    for step in range(data.steps(2)):
        for epoch in range(6):
            images, targets = data.batch(step, epoch, 2)
            assert images.shape == (2, *data.size(step, epoch), 3)
            for row, image in enumerate(images):
                there = targets["labels"][row] >= 0
                parts = (targets[name][row][there] for name in ("boxes", "labels", "difficult"))
                compared += compare_painted(Sample(image, *parts))
    assert compared > 30


def test_without_sizes_every_batch_has_the_input_size(painted):
    data = TrainingSet(painted, (96, 160), 5, OFF, 0)
    assert data.sizes == ((96, 160),)
    assert {data.size(step, epoch) for step in range(5) for epoch in range(5)} == {(96, 160)}


def test_a_set_smaller_than_a_batch(painted):
    data = TrainingSet(painted[:2], (64, 64), 0, Augmentation(), 9)
    assert data.steps(8) == 1
    images, targets = data.batch(0, 0, 8)
    assert images.shape == (8, 64, 64, 3)
    assert images.dtype == np.uint8
    assert targets["boxes"].shape == (8, data.max_objects, 4)
    assert sorted(data.order(0, 8)[0]) == [0] * 4 + [1] * 4


def test_targets_are_padded_and_difficult_goes_along(tmp_path):
    records = [
        write(tmp_path, 0, (64, 64), [[8, 8, 24, 24], [32, 32, 60, 60]], difficult=[True, False]),
        write(tmp_path, 1, (64, 64), []),
    ]
    for data in (TrainingSet(records, (64, 64), 0, OFF, 0), ValidationSet(records, (64, 64))):
        if isinstance(data, TrainingSet):
            _, targets = data.batch(0, 0, 2)
            rows = data.order(0, 2)[0].argsort()
        else:
            _, targets, _ = data.batch(0, 2)
            rows = np.arange(2)
        assert {name: values.dtype.name for name, values in targets.items()} == {
            "boxes": "float32",
            "labels": "int32",
            "difficult": "bool",
        }
        first, empty = rows
        np.testing.assert_allclose(targets["boxes"][first, :2], [[8, 8, 24, 24], [32, 32, 60, 60]])
        assert targets["labels"][first].tolist() == [0, 0] + [-1] * 6
        assert targets["difficult"][first].tolist() == [True] + [False] * 7
        assert targets["labels"][empty].tolist() == [-1] * 8
        assert not targets["boxes"][empty].any()


def test_backgrounds_go_through_everything(tmp_path):
    records = [write(tmp_path, k, (80, 60), []) for k in range(2)]
    data = TrainingSet(records, (64, 96), 0, Augmentation(mosaic=0.5, mixup=0.5), 99)
    for epoch in range(10):
        images, targets = data.batch(0, epoch, 2)
        assert images.shape == (2, 64, 96, 3)
        assert (targets["labels"] == -1).all()


def test_validation_batches_keep_order_and_the_last_is_smaller(painted):
    data = ValidationSet(painted, (96, 64))
    batches = [data.batch(step, 3) for step in range(data.steps(3))]
    assert [len(images) for images, _, _ in batches] == [3, 3, 1]
    labels = [label for _, targets, _ in batches for label in targets["labels"][:, 0].tolist()]
    assert labels == list(range(7))
    sizes = [box.source_size for _, _, boxes in batches for box in boxes]
    assert sizes == SIZES


def test_an_image_that_vanished_broke_or_changed_is_named(painted, tmp_path):
    gone = replace(painted[0], image=tmp_path / "gone.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no image")
    broken = replace(painted[0], image=tmp_path / "broken.jpg")
    changed = replace(painted[0], size=(999, 240))
    for record in (gone, broken, changed):
        for make in (
            lambda r=record: TrainingSet([r], (64, 64), 0, OFF, 0).batch(0, 0, 1),
            lambda r=record: ValidationSet([r], (64, 64)).batch(0, 1),
        ):
            with pytest.raises(ImageError, match=record.image.name):
                make()


def test_an_empty_split_is_refused():
    with pytest.raises(UserError, match="training split holds no image"):
        TrainingSet([], (64, 64), 0, OFF, 0)
    with pytest.raises(UserError, match="validation split holds no image"):
        ValidationSet([], (64, 64))


def test_shares_are_parts_of_the_whole_batch(painted):
    """Equal pixels whatever the number of workers: no pixel has to be sent."""
    varied = replace(OFF, mosaic=0.5, mixup=0.5, flip=0.5)
    whole = TrainingSet(painted, (64, 96), 3, varied, 9)
    for step in range(whole.steps(6)):
        images, targets = whole.batch(step, 1, 6)
        parts = [whole.share(number, 3).batch(step, 1, 6) for number in range(3)]
        assert [len(pixels) for pixels, _ in parts] == [2, 2, 2]
        np.testing.assert_array_equal(np.concatenate([pixels for pixels, _ in parts]), images)
        for name, array in targets.items():
            np.testing.assert_array_equal(np.concatenate([t[name] for _, t in parts]), array)
