"""The mean number of positives of an augmented training image."""

from pathlib import Path

import numpy as np
import pytest

from tests.helpers.yolov4 import COCO_ANCHORS
from utils.records import Record
from utils.training_data.augment import Augmentation
from utils.training_data.dataset import TrainingSet
from yolo4.config import Config
from yolo4.train import positives
from yolo4.train.positives import blank_image, count_positives_per_image

pytestmark = pytest.mark.quick

STILL = Augmentation(mosaic=0, mixup=0, flip=0, scale=0, translate=0, hue=0, saturation=0, value=0)
CONFIG = Config(input_size=96, anchor_match_threshold=None, epochs=3)


def record(boxes, size=(96, 96), difficult=()):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    flags = np.isin(np.arange(len(boxes)), difficult)
    return Record(Path("none.jpg"), size, boxes, np.zeros(len(boxes), np.int32), flags)


def count(records, config=CONFIG, augmentation=STILL, composite_epochs=0):
    dataset = TrainingSet(
        records, config.input_shape, config.seed, augmentation, composite_epochs, blank_image
    )
    return count_positives_per_image(dataset, config, COCO_ANCHORS)


def around(x, y, width, height):
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def test_objects_of_still_images_are_counted():
    two = record([around(20, 20, 12, 16), around(70, 70, 36, 75 / 2)])
    # 512 is a multiple of 4, so that each of the four images is counted equally often.
    assert count([two, record([]), record([]), record([])]) == 2 / 4


def test_two_objects_of_one_predictor_are_one_positive_and_difficult_ones_none():
    same = record([around(20, 20, 12, 16), around(21, 21, 13, 16)])
    hard = record([around(20, 20, 12, 16), around(70, 70, 12, 16)], difficult=[1])
    assert count([same, hard]) == 1


def test_every_anchor_above_the_threshold_counts():
    one = record([around(48, 48, 12, 16)])
    overlap = np.minimum(COCO_ANCHORS, [12, 16]).prod(axis=1)
    iou = overlap / (COCO_ANCHORS.prod(axis=1) + 12 * 16 - overlap)
    threshold = float(np.sort(iou)[-3] - 1e-3)
    assert count([one], Config(input_size=96, anchor_match_threshold=threshold)) == 3


def test_composite_images_count_in_their_share_of_the_epochs():
    one = record([around(48, 48, 20, 20)])
    blend = Augmentation(**{**vars(STILL), "mixup": 1.0})
    several = [one, record([around(20, 70, 20, 20)])]
    with_none, with_all = (count(several, CONFIG, blend, epochs) for epochs in (0, 3))
    assert with_none == 1
    # The second image is drawn at random: half of the time it is the same one.
    assert 1.4 < with_all < 1.6
    assert count(several, CONFIG, blend, 1) == pytest.approx(1 + (with_all - 1) / 3, abs=0.1)


def test_rare_objects_are_counted_in_more_images(monkeypatch):
    monkeypatch.setattr(positives, "_POSITIVES", 40)
    rare = [record([around(48, 48, 20, 20)]), *[record([])] * 49]
    # 40 positives are in about 2,000 images; 512 images alone would have 10 or 11.
    assert count(rare) == pytest.approx(1 / 50, rel=0.04)
    monkeypatch.setattr(positives, "_MOST_IMAGES", 640)
    assert count([record([])]) == 1 / 640


def test_equal_settings_give_equal_counts_and_the_pixels_do_not_matter():
    records = [record([around(48, 40, 30, 20)], size=(200, 100)) for _ in range(3)]
    config = Config(input_size=96, epochs=4)
    first = count(records, config, Augmentation(), 4)
    assert first == count(records, config, Augmentation(), 4)
    assert blank_image(records[0]).shape == (100, 200, 3)
