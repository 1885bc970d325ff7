"""What is advised, and when nothing is: hand-worked data, and SciPy's intervals."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.helpers.made_data import made_data_set, made_record
from utils.anchors import kmeans_anchors, mean_best_iou
from utils.inspection.leaks import Leak
from utils.inspection.objects import Objects
from yolo4.config import Config
from yolo4.data.advice import margin
from yolo4.data.summary import summarize

pytestmark = pytest.mark.quick


def advice(boxes, size=(416, 416), leaks=(), splits=("train",), **settings):
    """Flags and reasons for images of one size with boxes of one class, the same in each split."""
    config = Config(**settings)
    record = made_record("a.jpg", size, *((0, *box) for box in boxes))
    data_set = made_data_set(("cat",), {split: [record] for split in splits})
    objects = Objects.of(data_set.splits, config.input_shape, config.resize)
    found = summarize(data_set, objects, config, leaks)["advice"]
    return [(entry["flag"], entry["words"]) for entry in found]


def squares(side, count=200):
    return [(0, 0, side, side)] * count


@pytest.mark.parametrize("count", [2, 10, 72, 1000])
def test_the_margin_is_half_of_wilsons_interval(count):
    interval = binomtest(count // 2, count).proportion_ci(method="wilson")
    assert margin(count) == pytest.approx((interval.high - interval.low) / 2, abs=1e-5)


def test_without_objects_nothing_is_known():
    assert margin(0) == 0.5


def test_nothing_is_advised_about_data_that_fits():
    anchors = Config().network_spec.anchors
    assert advice([(0, 0, w, h) for w, h in anchors] * 20, splits=("train", "test")) == []


def test_a_larger_input_is_advised_for_objects_below_a_cell():
    # 20 of 100 objects are 7 pixels wide in an input of 416, and 8.08 in one of 480.
    ((flag, words), *_) = advice([*squares(7, 20), *squares(30, 80)])
    assert flag == "--input-size 480"
    assert words.startswith("20% of the objects are below 8x8 pixels in the input, 416x416")
    assert words.endswith("then 0% are, at 1.3 times the computation")


def test_tiles_are_advised_if_no_input_is_large_enough():
    ((flag, words), *_) = advice([*squares(7, 20), *squares(60, 80)], size=(4160, 4160))
    assert flag is None
    assert "cut the images into tiles" in words


def test_a_few_lost_objects_are_no_reason():
    found = advice([*squares(7, 2), *squares(30, 98)])
    assert not [flag for flag, _ in found if flag and "input-size" in flag]


@pytest.mark.parametrize(
    ("size", "input_size", "flag"),
    [
        ((640, 480), 416, "--input-size 320 416"),  # 416x312, up to 416x320
        ((480, 640), 416, "--input-size 416 320"),
        ((1920, 1080), 608, "--input-size 352 608"),  # 608x342
        ((640, 480), (320, 416), None),
        ((640, 600), 416, None),  # 416x390 needs 416x416
    ],
)
def test_an_input_of_the_shape_of_all_images_is_advised(size, input_size, flag):
    found = advice(squares(200), size, input_size=input_size)
    assert [f for f, _ in found if f and "input-size" in f] == ([flag] if flag else [])


def test_images_of_several_shapes_keep_a_square_input():
    records = [made_record(f"{size}", size, (0, 0, 0, 90, 90)) for size in ((640, 480), (480, 640))]
    data_set = made_data_set(("cat",), {"train": records})
    config = Config()
    objects = Objects.of(data_set.splits, config.input_shape)
    assert summarize(data_set, objects, config, [])["advice"] == []


def test_stretched_images_have_no_padding():
    found = advice(squares(200), (640, 480), resize="stretch")
    assert not [flag for flag, _ in found if flag and "input-size" in flag]


def test_anchors_of_the_data_are_advised_if_they_fit_clearly_better():
    boxes = [(0, 0, 20 + i, 200 + i) for i in range(60)]
    found = dict(advice(boxes))
    sizes = np.array([box[2:] for box in boxes], np.float32)
    own = mean_best_iou(sizes, np.array(Config().network_spec.anchors))
    auto = mean_best_iou(sizes, kmeans_anchors(sizes, 9))
    assert own + 0.05 < auto
    assert f"mean IoU of {auto:.2f}" in found["--anchors auto"]
    assert f"{own:.2f} with yolov4's own" in found["--anchors auto"]


def test_classes_with_few_objects_are_named_with_the_interval():
    names = tuple(f"c{i}" for i in range(9))
    counts = [1000, 5, 40, 0, 10, 20, 30, 50, 60]
    rows = [(label, 0, 0, 90, 90) for label, count in enumerate(counts) for _ in range(count)]
    splits = {"train": [made_record("a", (416, 416), *((i, 0, 0, 90, 90) for i in range(8)))]}
    splits["test"] = [made_record("b", (416, 416), *rows)]
    data_set = made_data_set(names, splits)
    config = Config()
    objects = Objects.of(data_set.splits, config.input_shape)
    ((flag, words),) = (
        (entry["flag"], entry["words"])
        for entry in summarize(data_set, objects, config, [])["advice"]
    )
    assert flag is None
    assert "c3 (0), c1 (5), c4 (10), c5 (20), c6 (30), c2 (40) and 2 more." in words
    assert f"±{100 * margin(60):.0f} to ±50 points" in words


def test_leaks_come_first():
    leaks = [Leak("test", "a.jpg", "train", "b.jpg", 3)]
    ((flag, words), *others) = advice(squares(7), leaks=leaks, splits=("train", "test"))
    assert flag is None
    assert words.startswith("1 of 1 images of test is nearly the same as an image of train. What")
    assert others


@pytest.mark.parametrize("network", ["yolov4", "yolov4-tiny"])
@pytest.mark.parametrize("side", [10, 20])
def test_a_cell_is_that_of_the_finest_grid(network, side):
    """Of YOLOv4 it has 8 pixels, of YOLOv4-tiny 16."""
    found = advice(squares(side), network=network)
    assert bool([f for f, _ in found if f and "input-size" in f]) == (
        network == "yolov4-tiny" and side == 10
    )
