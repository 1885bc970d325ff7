"""Detection in the images of records, and the choice of a split."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.helpers.made_boxes import detections, record
from utils.errors import UserError
from utils.image import ImageError
from yolo4.inference.records import choose_records, detect_records

pytestmark = pytest.mark.quick


def made_images(tmp_path, count):
    """Images whose brightness is their number, of different sizes."""
    for i in range(count):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((10 + i, 20, 3), i, np.uint8))
    return [replace(record(), image=tmp_path / f"{i}.png") for i in range(count)]


def test_each_image_in_order_and_in_batches(tmp_path):
    sizes = []

    def detect(images):
        sizes.append(len(images))
        assert all(image.shape == (10 + image[0, 0, 0], 20, 3) for image in images)
        return [detections((0, image[0, 0, 0] / 10, 0, 0, 1, 1)) for image in images]

    found = detect_records(detect, made_images(tmp_path, 7), 3, progress=False)
    assert sizes == [3, 3, 1]
    assert [round(10 * float(d.scores[0])) for d in found] == list(range(7))


def test_records_of_like_shape_go_together_and_results_keep_their_order(tmp_path):
    batches = []

    def detect(images):
        batches.append([int(image[0, 0, 0]) for image in images])
        return [detections((0, image[0, 0, 0] / 10, 0, 0, 1, 1)) for image in images]

    records = made_images(tmp_path, 7)
    shapes = dict(zip((id(each) for each in records), "baabcab", strict=True))
    found = detect_records(detect, records, 3, False, shape=lambda each: shapes[id(each)])
    assert batches == [[1, 2, 5], [0, 3, 6], [4]]
    assert [round(10 * float(d.scores[0])) for d in found] == list(range(7))


def test_an_unreadable_image_is_named(tmp_path):
    records = made_images(tmp_path, 2)
    (tmp_path / "1.png").write_bytes(b"not an image")
    with pytest.raises(ImageError, match=r"1\.png"):
        detect_records(lambda images: [detections() for _ in images], records, 1, False)


def test_choose_records():
    train, val, test = [record()], [record()], [record(), record()]
    assert choose_records({"train": train, "val": val, "test": test}, None) == ("test", test)
    assert choose_records({"train": train, "val": val}, None) == ("val", val)
    assert choose_records({"train": train, "val": val}, "train") == ("train", train)
    everything = ("all", [*train, *val, *test])
    assert choose_records({"train": train, "val": val, "test": test}, "all") == everything
    with pytest.raises(UserError, match=r"no split 'test'; it has: train, val"):
        choose_records({"train": train, "val": val}, "test")
    with pytest.raises(UserError, match=r"no split 'test' or 'val'; it has: train"):
        choose_records({"train": train}, None)
