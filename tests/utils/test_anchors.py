"""Anchors: the shape IoU by an oracle, k-means on shapes with a known answer, text files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import ROOT
from tests.helpers.yolov4 import COCO_ANCHORS
from utils.anchors import (
    box_sizes,
    format_anchors,
    kmeans_anchors,
    mean_best_iou,
    read_anchors,
)
from utils.boxes import shape_iou
from utils.errors import UserError
from utils.letterbox import fit_image
from utils.records import Record

pytestmark = pytest.mark.quick

MODEL_DATA = ROOT / "model_data"

side = st.integers(1, 300)
shapes = st.lists(st.tuples(side, side), min_size=12, max_size=40)


def record(size, boxes, difficult=None):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    difficult = np.zeros(len(boxes), bool) if difficult is None else np.array(difficult)
    return Record(Path("x.png"), size, boxes, np.zeros(len(boxes), np.int32), difficult)


def test_shape_iou_by_hand():
    iou = shape_iou(np.array([[10.0, 20], [4, 4]]), np.array([[20.0, 10], [4, 4]]))
    np.testing.assert_allclose(iou, [[100 / 300, 16 / 200], [16 / 200, 1]])


@given(side, side, side, side)
def test_shape_iou_counts_pixels(w1, h1, w2, h2):
    canvas = np.zeros((300, 300), int)
    canvas[:h1, :w1] += 1
    canvas[:h2, :w2] += 1
    expected = (canvas == 2).sum() / (canvas > 0).sum()
    got = shape_iou(np.array([[w1, h1]], float), np.array([[w2, h2]], float))
    assert got == pytest.approx(expected)


def test_mean_best_iou_by_hand():
    sizes = np.array([[10.0, 10], [10, 5], [40, 40]])
    assert mean_best_iou(sizes, np.array([[10.0, 10], [40, 20]])) == pytest.approx(
        (1 + 0.5 + 0.5) / 3
    )
    with pytest.raises(UserError, match="no box"):
        mean_best_iou(np.zeros((0, 2)), COCO_ANCHORS)


@pytest.mark.parametrize("seed", range(5))
def test_kmeans_finds_separate_clusters(seed):
    centers = np.array([[10, 40], [30, 30], [100, 20], [60, 150], [300, 250]], float)
    noise = np.random.default_rng(seed).choice([-1, 0, 1], (5, 61, 2))
    noise[:, 0] = 0
    sizes = (centers[:, None] + noise).reshape(-1, 2).astype(np.float32)
    anchors = kmeans_anchors(sizes, 5, seed)
    assert anchors.dtype == np.float32
    np.testing.assert_allclose(anchors, centers[centers.prod(axis=1).argsort()], atol=1)


@settings(max_examples=30, deadline=None)
@given(shapes, st.integers(1, 6), st.integers(0, 3))
def test_kmeans_properties(sizes, k, seed):
    sizes = np.array(sizes, np.float32)
    distinct = np.unique(sizes, axis=0)
    if len(distinct) < k:
        with pytest.raises(
            UserError, match=f"{k} anchors .* have {len(distinct)}: use the default"
        ):
            kmeans_anchors(sizes, k, seed)
        return
    anchors = kmeans_anchors(sizes, k, seed)
    assert anchors.shape == (k, 2)
    assert np.all(np.diff(anchors.prod(axis=1)) >= 0)
    np.testing.assert_array_equal(anchors, kmeans_anchors(sizes, k, seed))
    one = np.median(sizes, axis=0)[None]
    assert mean_best_iou(sizes, anchors) >= mean_best_iou(sizes, one) - 1e-6


def test_as_many_anchors_as_sizes_fit_exactly():
    sizes = np.repeat(COCO_ANCHORS, [1, 9, 2, 2, 30, 1, 4, 5, 2], axis=0)
    np.testing.assert_array_equal(kmeans_anchors(sizes, 9, 3), COCO_ANCHORS)


def test_kmeans_of_many_boxes_is_quick_and_good():
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.normal(4, 0.8, (200_000, 2)))
    own = mean_best_iou(sizes, kmeans_anchors(sizes, 9, 0))
    drawn = max(mean_best_iou(sizes, sizes[rng.integers(len(sizes), size=9)]) for _ in range(5))
    assert own > 0.62 > drawn


def test_box_sizes_are_those_in_the_input():
    records = [
        record((640, 480), [[10, 10, 110, 60], [0, 0, 50, 50]], [False, True]),
        record((100, 400), [[0, 0, 100, 400]]),
        record((100, 100), []),
    ]
    sizes = box_sizes(records, (416, 608))
    np.testing.assert_allclose(sizes, [[100 * 416 / 480, 50 * 416 / 480], [104, 416]], rtol=1e-6)
    stretched = box_sizes(records, (416, 608), "stretch")
    np.testing.assert_allclose(stretched, [[95, 50 * 416 / 480], [608, 416]], rtol=1e-6)
    for resize, found in (("letterbox", sizes), ("stretch", stretched)):
        _, box = fit_image(np.zeros((400, 100, 3), np.uint8), (416, 608), resize)
        x1, y1, x2, y2 = box.apply(records[1].boxes)[0]
        np.testing.assert_allclose(found[1], [x2 - x1, y2 - y1])
    assert sizes.dtype == np.float32
    assert box_sizes([], (416, 416)).shape == (0, 2)


def test_the_file_holds_the_coco_anchors():
    anchors = read_anchors(MODEL_DATA / "yolov4_anchors.txt", 9)
    np.testing.assert_array_equal(anchors, COCO_ANCHORS)
    assert anchors.dtype == np.float32
    assert np.all(np.diff(anchors.prod(axis=1)) > 0)


def test_written_anchors_read_back(tmp_path):
    anchors = COCO_ANCHORS + np.float32(0.25)
    path = tmp_path / "anchors.txt"
    path.write_text(format_anchors(anchors))
    np.testing.assert_array_equal(read_anchors(path, 9), anchors)
    path.write_text("\ufeff1, 2,  3, 4\n5,6\n", encoding="utf-8")
    np.testing.assert_array_equal(read_anchors(path, 3), [[1, 2], [3, 4], [5, 6]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"12,16 19,36", "found 4 numbers; 9 anchors are 18 numbers"),
        (b"", "found 0 numbers"),
        (b"12,16 19,x", "'x' is not a width or height"),
        (b"12,16 19,0", "'0' is not"),
        (b"12,16 19,-3", "'-3' is not"),
        (b"nan,16", "'nan' is not"),
        (b"inf,16", "'inf' is not"),
        (b"\xff\xfe1", "not UTF-8"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "anchors.txt"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_anchors(path, 9)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.txt"):
        read_anchors(tmp_path / "nowhere.txt", 9)
