"""What fixing each kind of error brings: each kind by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.made_boxes import detections, record
from utils.metrics.errors.gains import ERRORS, error_gains
from utils.metrics.errors.outcomes import find_outcomes
from utils.metrics.voc_map import evaluate_voc
from utils.records import Detections

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")
CAT, OTHER_CAT = (0, 0, 0, 10, 10, False), (0, 50, 50, 60, 60, False)
HARD_CAT = (*OTHER_CAT[:5], True)
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
        # A difficult object cannot be found: the poor box on it only disappears, too.
        ([(0, 0.9, 50, 50, 60, 53), (0, 0.8, *CAT[1:5])], [CAT, HARD_CAT], {"localization": 0.5}),
        # What matches a difficult object is no false alarm: the precision is 1/2 and not 1/3.
        (
            [(0, 0.9, *HARD_CAT[1:5]), (0, 0.8, 150, 150, 160, 160), (0, 0.7, *CAT[1:5])],
            [CAT, HARD_CAT],
            {"background": 0.5},
        ),
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


corners = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2)
boxes = corners.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))
objects_of = st.lists(
    st.builds(lambda c, b, d: (c, *b, d), st.integers(0, 1), boxes, st.booleans())
)
scores = st.lists(st.integers(1, 999), unique=True, max_size=8)
found_of = scores.flatmap(
    lambda values: st.tuples(
        *(st.builds(lambda c, b, s=s: (c, s / 1000, *b), st.integers(0, 1), boxes) for s in values)
    )
)


@given(found_of, objects_of)
def test_what_only_disappears_brings_what_vocs_evaluation_without_it_says(found, objects):
    rows, truth = detections(*sorted(found, key=lambda row: -row[1])), record(*objects)
    outcomes = find_outcomes([rows], [truth], NAMES)
    before, values = evaluate_voc([rows], [truth], NAMES).map, error_gains(outcomes)
    if not outcomes.objects.any():
        return
    for kind in ("both", "duplicate", "background"):
        kept = outcomes.kind != kind
        left = Detections(rows.boxes[kept], rows.scores[kept], rows.labels[kept])
        assert values[kind] == pytest.approx(evaluate_voc([left], [truth], NAMES).map - before)
    kept = ~outcomes.missed(0.0)
    left = replace(
        truth, boxes=truth.boxes[kept], labels=truth.labels[kept], difficult=truth.difficult[kept]
    )
    ap = evaluate_voc([rows], [left], NAMES).main.ap[outcomes.objects > 0]
    assert values["missed"] == pytest.approx(np.nan_to_num(ap, nan=1.0).mean() - before)
    assert min(values.values()) > -1e-9
