"""Errors by type: each type by hand, the order among them, and their total."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.made_boxes import detections, record
from utils.metrics.error_types import ERROR_TYPES, error_types, errors_by_class
from utils.metrics.voc_map import match_voc

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")
CAT = (0, 0, 0, 10, 10, False)
DOG = (1, 100, 100, 110, 110, False)


def types_of(found, objects, threshold=0.0):
    counts = error_types([detections(*found)], [record(*objects)], NAMES, threshold)
    assert tuple(counts) == ERROR_TYPES
    return {name: count for name, count in counts.items() if count}


RIGHT = (0, 0.9, 0, 0, 10, 10)


@pytest.mark.parametrize(
    ("found", "objects", "expected"),
    [
        ([RIGHT], [CAT], {}),
        ([], [CAT, DOG], {"missed": 2}),
        ([RIGHT], [], {"background": 1}),
        ([RIGHT, (0, 0.8, 0, 0, 10, 10)], [CAT], {"duplicate": 1}),
        # IoU 0.3 with the cat: a better box would have found it.
        ([(0, 0.9, 0, 0, 10, 3)], [CAT], {"localization": 1}),
        # The cat has been found already.
        ([RIGHT, (0, 0.8, 0, 0, 10, 3)], [CAT], {"localization": 1}),
        # The right box with the wrong label: the label alone would have found the cat.
        ([(1, 0.9, 0, 0, 10, 10)], [CAT], {"class": 1}),
        # Wrong label and poor box: neither alone would.
        ([(1, 0.9, 0, 0, 10, 3)], [CAT], {"class": 1, "missed": 1}),
        # IoU 0.05.
        ([(0, 0.9, 0, 0, 10, 0.5)], [CAT], {"background": 1, "missed": 1}),
        # At the thresholds: IoU 0.5 is right, 0.1 is localization.
        ([(0, 0.9, 0, 0, 10, 5)], [CAT], {}),
        ([(0, 0.9, 0, 0, 5, 2)], [CAT], {"localization": 1}),
        # On a dog, and a little on a cat: the dog is what it took for a cat.
        ([(0, 0.9, 0, 0, 10, 10)], [(1, *CAT[1:]), (0, 0, 0, 10, 2, False)], {"class": 1, "m": 1}),
        # On neither: its own class comes first.
        (
            [(0, 0.9, 0, 0, 10, 10)],
            [(1, 0, 0, 10, 4, False), (0, 0, 7, 10, 10, False)],
            {"localization": 1, "m": 1},
        ),
        # The worse box comes first and leaves the object to the better one.
        ([(0, 0.95, 0, 0, 10, 3), RIGHT], [CAT], {"localization": 1}),
        # Two poor boxes on one cat are two errors; it is accounted for once.
        ([(0, 0.9, 0, 0, 10, 3), (0, 0.8, 0, 7, 10, 10)], [CAT, DOG], {"localization": 2, "m": 1}),
    ],
)
def test_types_by_hand(found, objects, expected):
    expected = {"missed" if name == "m" else name: count for name, count in expected.items()}
    assert types_of(found, objects) == expected


def test_difficult_objects_are_never_missed_and_what_fits_them_is_not_wrong():
    hard = (0, 0, 0, 10, 10, True)
    assert types_of([], [hard]) == {}
    assert types_of([RIGHT, (0, 0.8, 0, 0, 10, 10)], [hard]) == {}
    assert types_of([(0, 0.8, 0, 0, 10, 3)], [hard]) == {"localization": 1}


def test_only_detections_that_reach_the_threshold_are_looked_at():
    found = [RIGHT, (0, 0.5, 0, 0, 10, 10), (1, 0.25, 50, 50, 60, 60)]
    assert types_of(found, [CAT], 0.25) == {"duplicate": 1, "background": 1}
    assert types_of(found, [CAT], 0.5) == {"duplicate": 1}
    assert types_of(found, [CAT], 0.6) == {}
    assert types_of(found, [CAT], 0.95) == {"missed": 1}
    assert types_of(found, [CAT], float("nan")) == {"missed": 1}


def test_wrong_detections_count_for_their_class_and_missed_objects_for_theirs():
    found = [[(1, 0.9, 0, 0, 10, 10)], [(1, 0.9, 50, 50, 60, 60), (0, 0.8, 70, 70, 80, 80)], []]
    objects = [[CAT], [CAT], [DOG]]
    pairs = [detections(*f) for f in found], [record(*o) for o in objects]
    counts = {name: list(by_class) for name, by_class in errors_by_class(*pairs, NAMES, 0).items()}
    assert counts.pop("class") == [0, 1]
    assert counts.pop("background") == [1, 1]
    assert counts.pop("missed") == [1, 1]
    assert counts == {"localization": [0, 0], "duplicate": [0, 0]}
    with pytest.raises(ValueError, match="2 detections for 3 records"):
        error_types(pairs[0][:2], pairs[1], NAMES, 0)


corners = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2)
boxes = corners.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))
labels = st.integers(0, 1)
objects_of = st.lists(st.builds(lambda c, b, d: (c, *b, d), labels, boxes, st.booleans()))
found_of = st.lists(
    st.builds(lambda c, s, b: (c, s, *b), labels, st.sampled_from([0.25, 0.5, 0.75]), boxes)
)


@given(st.lists(st.tuples(found_of, objects_of), min_size=1, max_size=3))
def test_every_false_positive_has_one_type_and_missed_objects_were_not_detected(images):
    found = [detections(*f) for f, _ in images]
    records = [record(*o) for _, o in images]
    counts = error_types(found, records, NAMES, 0.0)
    matches = match_voc(found, records, NAMES)
    wrong = int((~matches.is_tp).sum())
    assert sum(counts[name] for name in ERROR_TYPES[:-1]) == wrong
    not_found = int(matches.num_gt.sum() - matches.is_tp.sum())
    assert not_found - wrong <= counts["missed"] <= not_found
