"""The formula in docs/migration.md: our sums, with their divisors and factors, are their loss."""

import numpy as np
import pytest

from tests.helpers.yolov4 import COCO_ANCHORS, STRIDES
from tests.nets.migration.batches import CLASSES, SQUARE, WIDE, Batch, make_batch
from tests.nets.migration.our_loss import (
    assigned,
    criterion_of,
    our_sums,
    sums_by_their_rules,
    targets,
)
from tests.nets.migration.their_loss import level_sums, targets_of, tf2_terms

pytestmark = [pytest.mark.quick, pytest.mark.usefixtures("compiled")]

SMOOTHING = 0.1


@pytest.mark.parametrize("size", [SQUARE, WIDE])
@pytest.mark.parametrize("name", ["bce", "focal"])
def test_our_sums_with_their_divisors_and_factors_are_their_loss(name, size):
    batch = make_batch(0, size, plain=True)
    theirs = level_sums(batch, name == "focal", SMOOTHING)
    ours = sums_by_their_rules(batch, name, SMOOTHING)
    assert [x[3:] for x in ours] == [x[3:] for x in theirs]
    assert all(x.positives > 0 for x in theirs)
    expected = tf2_terms(theirs, size, name == "focal")
    found = tf2_terms(ours, size, name == "focal")
    # Float32 rounds corners by 3e-5 pixels, up to 3e-6 of the shortest side.
    assert found.pop("box") == pytest.approx(expected.pop("box"), rel=1e-5)
    assert found == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", ["bce", "focal"])
def test_sums_of_all_levels_are_our_loss_but_for_its_divisor(name):
    batch = make_batch(1)
    terms = criterion_of(name)(targets(batch), batch.logits)
    sums = np.sum(our_sums(batch, name), axis=0)[:3]
    found = np.array([float(terms[term]) for term in ("box", "confidence", "class")])
    np.testing.assert_allclose(found / found.sum(), sums / sums.sum(), rtol=1e-5)


def test_their_loss_by_hand():
    # The object is the second anchor, 19 x 36, of its cell. All logits are 0, so that each counted
    # predictor costs log 2. The same anchor, one cell up or down, overlaps by 28 / 44: ignored.
    logits = [np.zeros((1, 416 // s, 416 // s, 3, 5 + CLASSES), np.float32) for s in STRIDES]
    half = COCO_ANCHORS[1] / 2
    box = np.concatenate([204 - half, 204 + half])[None, None]
    batch = Batch(SQUARE, box, np.array([[3]]), logits)
    log2, negatives = np.log(2), 52 * 52 * 3 - 3
    # A level without positives is divided by one more than its predictors.
    coarse = 1 * 2028 / 2029 + 0.4 * 507 / 508
    found = tf2_terms(level_sums(batch), SQUARE)
    expected = {"box": 0, "confidence": 5 * (4 + coarse) * log2, "class": CLASSES / 80 * log2}
    assert found == pytest.approx(expected)
    found = tf2_terms(level_sums(batch, focal=True), SQUARE, focal=True)
    finest = (0.25 + 0.75 * negatives) / (1 + negatives)
    assert found["confidence"] == pytest.approx(50 * (4 * finest + 0.75 * coarse) * log2 / 4)


def test_of_two_objects_on_one_predictor_theirs_takes_the_later_and_ours_the_better_fit():
    # The best anchor of both is the second, 19 x 36; the first object has exactly its sides.
    boxes = np.array([[[195, 186, 214, 222], [194, 186, 214, 222]]], np.float32)
    logits = [x[:1] for x in make_batch(0).logits]
    batch = Batch(SQUARE, boxes, np.array([[3, 5]]), logits)
    (theirs,) = np.nonzero(targets_of(batch)[0].positive[0])
    ours = assigned(criterion_of().match(targets(batch), logits))
    assert list(ours.predictor) == list(theirs)
    assert list(ours.object_index) == [0]
    found = targets_of(batch)[0]
    np.testing.assert_allclose(found.boxes[0, theirs[0]] * 416, [204, 204, 20, 36])
    assert list(np.nonzero(found.classes[0, theirs[0]])[0]) == [3, 5]
