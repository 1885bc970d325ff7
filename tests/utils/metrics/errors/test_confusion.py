"""The confusion matrix: by hand at several thresholds, and its sums."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.made_boxes import detections, record
from utils.metrics.errors.confusion import Confusion
from utils.metrics.errors.outcomes import find_outcomes
from utils.metrics.voc_map import evaluate_voc, match_voc

pytestmark = pytest.mark.quick

NAMES = ("cat", "dog")
CAT = (0, 0, 0, 10, 10, False)


def confusion(*images):
    found, objects = zip(*images, strict=True)
    found = [detections(*each) for each in found]
    return Confusion.of(find_outcomes(found, [record(*each) for each in objects], NAMES))


def test_a_cat_that_a_dog_is_first_taken_for():
    matrix = confusion(
        ([(1, 0.875, 0, 0, 10, 10), (0, 0.5, 0, 0, 10, 10), (0, 0.25, 50, 50, 60, 60)], [CAT])
    )
    # Rows: cat, dog, background; columns: cat, dog, not found.
    assert matrix.at(0.95).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert matrix.at(0.875).tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]
    # The cat is found; what is left of the dog is a false alarm.
    assert matrix.at(0.5).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert matrix.at(0.0).tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0]]


def test_a_cat_that_is_found_is_not_taken_for_a_dog_later():
    matrix = confusion(([(0, 0.875, 0, 0, 10, 10), (1, 0.5, 0, 0, 10, 10)], [CAT]))
    assert matrix.at(0.75).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert matrix.at(0.5).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_two_dogs_on_one_cat_take_it_once_and_a_difficult_one_not_at_all():
    dogs = [(1, 0.9, 0, 0, 10, 10), (1, 0.8, 0, 0, 10, 9)]
    assert confusion((dogs, [CAT])).at(0).tolist() == [[0, 1, 0], [0, 0, 0], [0, 1, 0]]
    hard = (*CAT[:5], True)
    assert confusion((dogs, [hard])).at(0).tolist() == [[0, 0, 0], [0, 0, 0], [0, 2, 0]]
    cat = [(0, 0.9, 0, 0, 10, 10)]
    assert confusion((cat, [hard])).at(0).tolist() == [[0, 0, 0]] * 3


def test_nothing_detected_and_nothing_there():
    assert confusion(([], [])).at(0).tolist() == [[0, 0, 0]] * 3
    assert confusion(([], [CAT])).at(0).tolist() == [[0, 0, 1], [0, 0, 0], [0, 0, 0]]
    assert confusion(([], [CAT])).steps(np.array([0.0, 1.0])) == []


corners = st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2)
boxes = corners.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3]))
labels = st.integers(0, 1)
objects_of = st.lists(st.builds(lambda c, b, d: (c, *b, d), labels, boxes, st.booleans()))
found_of = st.lists(
    st.builds(lambda c, s, b: (c, s, *b), labels, st.sampled_from([0.25, 0.5, 0.75]), boxes)
)
images_of = st.lists(st.tuples(found_of, objects_of), min_size=1, max_size=3)
THRESHOLDS = np.array([0.0, 0.25, 0.3, 0.75, 1.0])


@given(images_of)
def test_sums_are_objects_and_detections_and_the_diagonal_is_vocs(images):
    matrix = confusion(*images)
    found = [detections(*each) for each, _ in images]
    records = [record(*each) for _, each in images]
    curves = evaluate_voc(found, records, NAMES).main.classes
    matches = match_voc(found, records, NAMES)
    for threshold in THRESHOLDS:
        counts = matrix.at(threshold)
        assert counts.min() >= 0
        for label, curve in enumerate(curves):
            counted = (matches.scores >= threshold) & (matches.labels == label)
            assert counts[label].sum() == curve.num_gt
            assert counts[:, label].sum() == counted.sum()
            assert counts[label, label] == (counted & matches.is_tp).sum()


@given(images_of)
def test_the_steps_add_up_to_the_matrix(images):
    matrix = confusion(*images)
    steps = np.reshape(matrix.steps(THRESHOLDS), (-1, 4)).astype(int)
    for i, threshold in enumerate(THRESHOLDS):
        counts = np.zeros((3, 3), int)
        for truth, predicted, step, change in steps:
            counts[truth, predicted] += change if step >= i else 0
        assert counts[:, :2].tolist() == matrix.at(threshold)[:, :2].tolist()
