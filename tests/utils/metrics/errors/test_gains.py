"""What fixing each kind of error brings: each kind by hand."""

import pytest

from tests.helpers.made_boxes import detections, record
from utils.metrics.errors.gains import ERRORS, error_gains
from utils.metrics.errors.outcomes import find_outcomes

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")
CAT, OTHER_CAT = (0, 0, 0, 10, 10, False), (0, 50, 50, 60, 60, False)
DOG = (1, 100, 100, 110, 110, False)
RIGHT_DOG = (1, 0.9, 100, 100, 110, 110)


def gains(found, objects, size=None):
    outcomes = find_outcomes([detections(*found)], [record(*objects)], NAMES)
    values = error_gains(outcomes, size)
    assert tuple(values) == ERRORS
    return {name: value for name, value in values.items() if value}


@pytest.mark.parametrize(
    ("found", "objects", "expected"),
    [
        # AP of the cats rises from 0 to 1, so the mean of two classes by a half.
        ([(0, 0.9, 0, 0, 10, 3), RIGHT_DOG], [CAT, DOG], {"localization": 0.5}),
        ([(1, 0.8, 0, 0, 10, 10), RIGHT_DOG], [CAT, DOG], {"class": 0.5}),
        # The cat is found at precision 1/2 behind each false alarm.
        (
            [(0, 0.9, 150, 150, 160, 160), (0, 0.8, 0, 0, 10, 10), RIGHT_DOG],
            [CAT, DOG],
            {"background": 0.25},
        ),
        (
            [(0, 0.9, 100, 100, 110, 104), (0, 0.8, *CAT[1:5]), RIGHT_DOG],
            [CAT, DOG],
            {"both": 0.25},
        ),
        # The second cat is found at precision 2/3: AP (1 + 2/3) / 2.
        (
            [(0, 0.9, *CAT[1:5]), (0, 0.8, *CAT[1:5]), (0, 0.7, *OTHER_CAT[1:5]), RIGHT_DOG],
            [CAT, OTHER_CAT, DOG],
            {"duplicate": 1 / 12},
        ),
        ([(0, 0.9, *CAT[1:5]), RIGHT_DOG], [CAT, OTHER_CAT, DOG], {"missed": 0.25}),
        ([RIGHT_DOG], [CAT, DOG], {"missed": 0.5}),
        # Of two poor boxes the better-scoring one finds the cat, and the other disappears.
        ([(0, 0.9, 0, 0, 10, 3), (0, 0.8, 0, 7, 10, 10)], [CAT], {"localization": 1}),
        # The cat is found already, so that the poor box only disappears: 1/2 to 1.
        ([(0, 0.9, 0, 0, 10, 3), (0, 0.8, *CAT[1:5])], [CAT], {"localization": 0.5}),
    ],
)
def test_each_kind_by_hand(found, objects, expected):
    assert gains(found, objects) == pytest.approx(expected)


def test_only_errors_on_objects_of_the_size_are_fixed():
    large = (1, 0, 0, 100, 100, False)
    poor = [(0, 0.9, 150, 150, 160, 153), (1, 0.9, 0, 0, 100, 30)]
    objects = [(0, 150, 150, 160, 160, False), large]
    assert gains(poor, objects) == pytest.approx({"localization": 1})
    assert gains(poor, objects, 0) == pytest.approx({"localization": 0.5})
    assert gains(poor, objects, 1) == {}
    assert gains(poor, objects, 2) == pytest.approx({"localization": 0.5})
    assert gains([], objects, 2) == pytest.approx({"missed": 0.5})


def test_without_objects_there_is_nothing_to_gain():
    assert all(value != value for value in gains([], []).values())
