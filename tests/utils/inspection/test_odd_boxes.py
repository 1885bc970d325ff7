"""Boxes that stand out: hand-worked orders, and pairs against every pair one by one."""

import itertools

import numpy as np
import pytest

from tests.utils.inspection.test_objects import record
from utils.boxes import iou
from utils.inspection import odd_boxes
from utils.inspection.objects import Objects
from utils.inspection.odd_boxes import NEARLY_EQUAL, OddBox

pytestmark = pytest.mark.quick


@pytest.fixture
def objects():
    """Rows: 40x10 and 20x20 in 100x100, 30x30 in 300x300, 5x10 in 50x50."""
    splits = {
        "train": [
            record((100, 100), (0, 0, 0, 40, 10, 0), (1, 50, 50, 70, 70, 0)),
            record((300, 300), (0, 10, 10, 40, 40, 0)),
        ],
        "test": [record((50, 50), (1, 0, 0, 5, 10, 0))],
    }
    return Objects.of(splits, (100, 100))


def test_the_largest_takes_most_of_its_image(objects):
    found = odd_boxes.largest(objects, 3)
    assert [box.object for box in found] == [0, 1, 3]
    assert [box.value for box in found] == pytest.approx([0.04, 0.04, 0.02])


def test_the_smallest_is_that_in_the_input(objects):
    # In the input of 100x100: 20, 20, 10 and the root of 10 x 20 pixels.
    found = odd_boxes.smallest(objects, 2)
    assert [box.object for box in found] == [2, 3]
    assert [box.value for box in found] == pytest.approx([10, 200**0.5])


def test_the_longest_has_the_most_unequal_sides(objects):
    assert odd_boxes.longest(objects, 2) == [OddBox(0, 4.0), OddBox(3, 2.0)]


def test_more_than_there_are_gives_all(objects):
    for choose in (odd_boxes.largest, odd_boxes.smallest, odd_boxes.longest):
        assert len(choose(objects, 99)) == 4


def test_pairs_within_an_image_are_found_whatever_their_classes():
    twice = (0, 10, 10, 110, 110, 0), (1, 10, 10, 110, 109, 0), (0, 200, 200, 300, 300, 0)
    splits = {
        "train": [record((400, 400), *twice), record((400, 400), (0, 10, 10, 110, 110, 0))],
        "val": [record((400, 400), (0, 0, 0, 100, 80, 0), (0, 0, 0, 100, 100, 0))],
    }
    found, count = odd_boxes.nearly_equal(Objects.of(splits, (416, 416)), 5)
    assert count == 2
    assert [(box.object, box.other) for box in found] == [(0, 1), (4, 5)]
    assert [box.value for box in found] == pytest.approx([0.99, 0.8])


def test_of_many_pairs_the_most_similar_are_returned(monkeypatch):
    monkeypatch.setattr(odd_boxes, "_ROWS_AT_ONCE", 4)
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 6, (30, 2))
    rows = [(0, x, y, x + 40, y + 40, 0) for x, y in corners]
    objects = Objects.of({"train": [record((100, 100), *rows)]}, (416, 416))
    expected = {
        (i, j): overlap
        for i, j in itertools.combinations(range(30), 2)
        if (overlap := float(iou(objects.boxes[i], objects.boxes[j]))) >= NEARLY_EQUAL
    }
    assert 20 < len(expected) < 30 * 29 / 2
    found, count = odd_boxes.nearly_equal(objects, 20)
    assert count == len(expected)
    best = sorted(expected.values(), reverse=True)[:20]
    assert [box.value for box in found] == pytest.approx(best)
    assert all(expected[box.object, box.other] == pytest.approx(box.value) for box in found)


def test_without_pairs_there_are_none(objects):
    assert odd_boxes.nearly_equal(objects, 5) == ([], 0)
