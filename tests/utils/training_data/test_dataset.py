"""The sets end to end, from image files: boxes against painted pixels, determinism, batches."""

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from utils.errors import UserError
from utils.image import ImageError
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.compose import Sample
from utils.training_data.dataset import TrainingSet
from utils.training_data.validation_set import ValidationSet

OFF = Augmentation(
    mosaic=0, mixup=0, flip=0, scale=0, translate=0, hue=0, saturation=0, value=0
)  # fmt: skip
SIZES = [(320, 240), (240, 320), (700, 500), (200, 200), (416, 300), (260, 900), (500, 180)]
# Fully saturated, so that no blend with black, gray or each other looks like one of them.
COLORS = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255),
    (255, 255, 255),
]  # fmt: skip


def write(folder: Path, number: int, size, boxes, colors=None, difficult=None) -> Record:
    """Write a black image with filled rectangles and annotate them."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    colors = [COLORS[number % 7]] * len(boxes) if colors is None else colors
    for (x1, y1, x2, y2), color in zip(boxes.astype(int), colors, strict=True):
        image[y1:y2, x1:x2] = color
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), image[:, :, ::-1])
    labels = np.full(len(boxes), number, np.int32)
    difficult = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult)
    return Record(path, size, boxes, labels, difficult)


@pytest.fixture(scope="module")
def painted(tmp_path_factory) -> list[Record]:
    """Images of many shapes, each with one rectangle in its own color and labeled by its number."""
    folder = tmp_path_factory.mktemp("painted")
    rng = np.random.default_rng(0)
    records = []
    for number, size in enumerate(SIZES):
        sides = (np.array(size) * rng.uniform(0.3, 0.6, 2)).astype(int)
        corner = (rng.random(2) * (size - sides)).astype(int)
        records.append(write(folder, number, size, [[*corner, *(corner + sides)]]))
    return records


def crowded(folder: Path, counts) -> list[Record]:
    """Images with given numbers of objects."""
    grid = [[x, y, x + 6, y + 6] for y in range(0, 96, 8) for x in range(0, 96, 8)]
    return [write(folder, k, (96, 96), grid[:count]) for k, count in enumerate(counts)]


def bounds(mask: np.ndarray) -> np.ndarray:
    """The box around the set pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def compare_painted(sample, tolerance=1.5) -> int:
    """Compare each returned box with the colored region in the returned image."""
    compared = 0
    for label, color in enumerate(COLORS):
        mask = np.abs(sample.image.astype(int) - color).max(axis=2) < 100
        boxes = sample.boxes[sample.labels == label]
        if len(boxes) == 0:
            assert mask.sum() < 20, "an object is seen that has no box"
        elif len(boxes) == 1 and (boxes[0, 2:] - boxes[0, :2]).min() > 3:
            np.testing.assert_allclose(bounds(mask), boxes[0], atol=tolerance)
            compared += 1
    return compared


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
