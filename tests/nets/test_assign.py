"""Hand-worked cases on a 64 x 64 input: 8x8, 4x4 and 2x2 cells, three anchors each."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nets.assign import Assignment, assign, ignored, shape_iou
from nets.decode import anchor_grid, decode_boxes
from tests.helpers.yolov4 import LEVELS, STRIDES

pytestmark = pytest.mark.quick

ANCHORS = [[4, 4], [8, 8], [8, 16], [16, 16], [24, 16], [16, 32], [32, 32], [48, 32], [64, 64]]
GRIDS = [(8, 8), (4, 4), (2, 2)]
STRIDE_16, STRIDE_32, TOTAL = 8 * 8 * 3, (8 * 8 + 4 * 4) * 3, (8 * 8 + 4 * 4 + 2 * 2) * 3


def box(x, y, width, height):
    """The xyxy box around a center."""
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def assigned(images, threshold=None, present=None, difficult=None):
    """The outcome for images with these objects, as arrays."""
    size = max(map(len, images))
    boxes = np.zeros((len(images), size, 4), np.float32)
    there = np.zeros((len(images), size), bool)
    for row, objects in enumerate(images):
        boxes[row, : len(objects)] = np.reshape(objects, (-1, 4))
        there[row, : len(objects)] = True
    present = there if present is None else np.array(present)
    difficult = np.zeros_like(there) if difficult is None else np.array(difficult)
    found = assign(boxes, present, difficult, ANCHORS, STRIDES, GRIDS, threshold)
    return Assignment(*(np.asarray(x) for x in found))


def run(images, threshold=None, present=None, difficult=None):
    """Positive predictors of each image, and the object that each is assigned to."""
    predictor, is_assigned, positive, ignored_difficult = assigned(
        images, threshold, present, difficult
    )
    assert not (positive * ignored_difficult).any()
    owners = []
    for row in range(len(images)):
        places = np.flatnonzero(is_assigned[row])
        owners.append({int(predictor[row, k]): int(k) // 9 for k in places})
        assert len(owners[-1]) == len(places), "a predictor is assigned to two objects"
        assert set(np.flatnonzero(positive[row])) == set(owners[-1])
    return owners


def test_level_cell_and_anchor_by_hand():
    # 8 x 8 at (20, 12): stride 8, column 2, row 1, the second anchor.
    # 16 x 32 at (40, 24): stride 16, column 2, row 1, its third anchor.
    # 60 x 60 at (33, 31): stride 32, column 1, row 0, its third anchor.
    objects = [box(20, 12, 8, 8), box(40, 24, 16, 32), box(33, 31, 60, 60)]
    assert run([objects]) == [
        {
            (1 * 8 + 2) * 3 + 1: 0,
            STRIDE_16 + (1 * 4 + 2) * 3 + 2: 1,
            STRIDE_32 + (0 * 2 + 1) * 3 + 2: 2,
        }
    ]


def test_shape_iou_by_hand():
    overlap = np.asarray(shape_iou(np.array([[8.0, 8.0]]), np.array(ANCHORS, float)))
    np.testing.assert_allclose(overlap[0, :4], [16 / 64, 1, 64 / 128, 64 / 256])


def test_two_objects_in_one_cell_with_their_own_anchors():
    cell = (3 * 8 + 3) * 3
    assert run([[box(28, 28, 4, 4), box(29, 27, 8, 16)]]) == [{cell: 0, cell + 2: 1}]


def test_of_two_objects_for_one_predictor_the_better_shape_wins_in_any_order():
    worse, better = box(28, 28, 7, 7), box(27, 29, 8, 8)
    assert run([[worse, better]]) == [{(3 * 8 + 3) * 3 + 1: 1}]
    assert run([[better, worse]]) == [{(3 * 8 + 3) * 3 + 1: 0}]


def test_of_two_equal_objects_the_first_wins():
    assert run([[box(28, 28, 8, 8), box(27, 29, 8, 8)]]) == [{(3 * 8 + 3) * 3 + 1: 0}]


def test_an_object_on_the_far_edge_belongs_to_the_last_cell():
    assert run([[box(64, 64, 8, 8)]]) == [{(7 * 8 + 7) * 3 + 1: 0}]
    assert run([[box(0, 64, 64, 64)]]) == [{STRIDE_32 + (1 * 2 + 0) * 3 + 2: 0}]


def test_padding_before_between_and_after_objects_changes_nothing():
    objects = np.zeros((1, 5, 4), np.float32)
    objects[0, 1], objects[0, 3] = box(20, 12, 8, 8), box(40, 24, 16, 32)
    present = [[False, True, False, True, False]]
    assert run(objects, present=present) == [
        {(1 * 8 + 2) * 3 + 1: 1, STRIDE_16 + (1 * 4 + 2) * 3 + 2: 3}
    ]


def test_an_image_without_objects_has_no_positive():
    assert run([[], [box(20, 12, 8, 8)]]) == [{}, {(1 * 8 + 2) * 3 + 1: 0}]


def test_predictors_of_difficult_objects_are_ignored():
    objects = [[box(20, 12, 8, 8), box(40, 24, 16, 32)]]
    assert run(objects, difficult=[[True, False]]) == [{STRIDE_16 + (1 * 4 + 2) * 3 + 2: 1}]
    ignored_difficult = assigned(objects, difficult=[[True, False]]).ignored_difficult
    assert np.flatnonzero(ignored_difficult[0]).tolist() == [(1 * 8 + 2) * 3 + 1]
    # Padding makes no predictor ignored.
    absent = assigned(objects, present=[[False, True]], difficult=[[True, False]])
    assert not absent.ignored_difficult.any()


def test_a_predictor_shared_with_a_difficult_object_is_positive():
    objects = [[box(28, 28, 8, 8), box(27, 29, 8, 8)]]
    assert run(objects, difficult=[[True, False]]) == [{(3 * 8 + 3) * 3 + 1: 1}]
    assert not assigned(objects, difficult=[[True, False]]).ignored_difficult.any()


def test_a_hundred_objects_on_a_grid_all_find_a_predictor():
    centers = [(3.2 + 6.4 * i, 3.2 + 6.4 * j) for i in range(10) for j in range(10)]
    sides = [(ANCHORS[n % 3], n) for n in range(100)]
    objects = [box(*center, *side) for center, (side, _) in zip(centers, sides, strict=True)]
    owners = run([objects])[0]
    expected = {}
    for n, (x, y) in enumerate(centers):
        expected.setdefault((int(y // 8) * 8 + int(x // 8)) * 3 + n % 3, n)
    assert owners == expected


def test_further_anchors_are_assigned_above_the_threshold():
    # 16 x 16 against the nine: .0625 .25 .5 1 .667 .5 .25 .167 .0625
    cell = {
        8: (1 * 8 + 1) * 3,
        16: STRIDE_16 + (0 * 4 + 0) * 3,
    }
    owners = run([[box(12, 12, 16, 16)]], threshold=0.4)[0]
    assert owners == {cell[8] + 2: 0, cell[16]: 0, cell[16] + 1: 0, cell[16] + 2: 0}


def test_a_best_anchor_wins_over_a_further_one_of_better_shape():
    # Both in one cell. The second's best is (8, 16); the first's further match with (8, 16) has a
    # higher shape IoU than that, yet the second would be left with nothing.
    first, second = box(12, 12, 8, 9), box(12, 12, 5, 20)
    overlap = np.asarray(shape_iou(np.array([[8, 9], [5, 20]], float), np.array(ANCHORS, float)))
    assert overlap[1].argmax() == 2
    assert overlap[0].argmax() == 1
    assert overlap[0, 2] < overlap[1, 2] + 1
    owners = run([[first, second]], threshold=0.3)[0]
    assert owners[(1 * 8 + 1) * 3 + 2] == 1


@pytest.mark.parametrize("grids", [[(4, 12), (2, 6), (1, 3)], [(12, 4), (6, 2), (3, 1)]])
def test_the_assigned_predictor_decodes_to_the_cell_and_the_anchor(grids):
    rows, columns = grids[0]
    rng = np.random.default_rng(0)
    centers = rng.uniform(0, 1, (20, 2)) * [8 * columns, 8 * rows]
    anchors = np.array(ANCHORS)[rng.integers(0, 9, 20)]
    objects = [box(*center, *side) for center, side in zip(centers, anchors, strict=True)]
    grid = anchor_grid(grids, ANCHORS, *LEVELS)
    middles = np.asarray(decode_boxes(np.zeros((len(grid.cells), 4), np.float32), grid))
    for center, side, object_box in zip(centers, anchors, objects, strict=True):
        found = assign(
            np.array([[object_box]], np.float32),
            np.array([[True]]),
            np.array([[False]]),
            ANCHORS,
            STRIDES,
            grids,
            None,
        )
        (predictor,) = np.flatnonzero(found.positive[0])
        decoded, stride = middles[predictor], float(grid.strides[predictor, 0])
        np.testing.assert_allclose(decoded[2:] - decoded[:2], side, rtol=1e-5)
        assert (np.abs((decoded[:2] + decoded[2:]) / 2 - center) <= stride / 2 + 1e-3).all()


@given(st.integers(0, 2**31), st.sampled_from([None, 0.2, 0.6]))
def test_properties_over_random_objects(seed, threshold):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(2):
        count = rng.integers(1, 9)
        centers, sides = rng.uniform(0, 64, (count, 2)), rng.uniform(2, 64, (count, 2))
        images.append([box(*c, *s) for c, s in zip(centers, sides, strict=True)])
    for owners, objects in zip(run(images, threshold), images, strict=True):
        assert owners, "some object is always assigned"
        assert all(0 <= predictor < TOTAL for predictor in owners)
        for predictor, owner in owners.items():
            x, y = (np.array(objects[owner][:2]) + objects[owner][2:]) / 2
            stride, first, side = (
                (8, 0, 8)
                if predictor < STRIDE_16
                else (16, STRIDE_16, 4)
                if predictor < STRIDE_32
                else (32, STRIDE_32, 2)
            )
            row, column = divmod((predictor - first) // 3, side)
            assert (row, column) == (min(y // stride, side - 1), min(x // stride, side - 1))


@pytest.mark.parametrize(("threshold", "expected"), [(0.5, [True, False]), (0.6, [False, False])])
def test_ignore_mask_by_hand(threshold, expected):
    # A prediction of 10 x 10 over an object of 10 x 18: IoU 100 / 180 = 0.556. The padding box
    # covers the second prediction exactly, and must not count.
    predicted = np.array([[[0, 0, 10, 10], [30, 30, 40, 40]]], np.float32)
    objects = np.array([[[0, 0, 10, 18], [30, 30, 40, 40]]], np.float32)
    present = np.array([[True, False]])
    np.testing.assert_array_equal(ignored(predicted, objects, present, threshold), [expected])


def test_ignore_mask_looks_at_every_object_of_its_own_image_only():
    predicted = np.array([[[0, 0, 10, 10]], [[0, 0, 10, 10]]], np.float32)
    objects = np.array([[[50, 50, 60, 60], [0, 0, 10, 11]], [[50, 50, 60, 60]] * 2], np.float32)
    found = ignored(predicted, objects, np.ones((2, 2), bool), 0.7)
    np.testing.assert_array_equal(found, [[True], [False]])
