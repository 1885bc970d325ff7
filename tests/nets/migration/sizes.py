"""How large each difference of the losses is, in the words of docs/migration.md."""

from functools import cache

import numpy as np
import pytest

from tests.helpers.yolov4 import STRIDES
from tests.nets.migration import box_sizes
from tests.nets.migration.batches import CLASSES, SQUARE, WIDE
from tests.nets.migration.measured import (
    MORE_SEEDS,
    SEEDS,
    batch_of,
    ours,
    percent,
    span,
    theirs,
    total,
)
from tests.nets.migration.our_loss import criterion_of, targets
from tests.nets.migration.their_loss import (
    BALANCE,
    BOX,
    CLASS,
    IGNORE_THRESHOLD,
    Sums,
    confidence_factor,
    level_sums,
    tf2_terms,
)
from yolo4.config import Config

SMOOTHING = 0.1
LEVELS = range(len(STRIDES))
DEFAULT = Config()


def divisor_of_box_and_class():
    def ratio(sums, term, part, factor):
        mean = total(sums, part) / total(sums, "positives")
        return tf2_terms(sums, SQUARE)[term] / factor / mean

    alike = [Sums(0.7 * count, 0, 0, count, 9) for count in (2, 5, 9)]
    box = [ratio(theirs(seed), "box", "box", BOX) for seed in MORE_SEEDS]
    classes = [ratio(theirs(seed), "class", "classes", CLASS / CLASSES) for seed in MORE_SEEDS]
    return (
        f"box {span(box, '.1f')} times, class {span(classes, '.1f')} times; "
        f"{ratio(alike, 'box', 'box', BOX):g} times if the mean is the same at each level"
    )


def weight_of_a_predictor(level, size=SQUARE):
    """What one confidence value counts in a batch of one image, without ignored negatives."""
    count = 3 * size[0] * size[1] // STRIDES[level] ** 2
    sums = [Sums(0, float(place == level), 0, 1, count - 1) for place in LEVELS]
    return tf2_terms(sums, size)["confidence"]


def divisor_of_confidence():
    weights = [weight_of_a_predictor(level) for level in LEVELS]
    expected = [5 * b * s**2 / (3 * 416**2) for b, s in zip(BALANCE, STRIDES, strict=True)]
    assert weights == pytest.approx(expected)
    assert weights == pytest.approx([weight_of_a_predictor(level, WIDE) for level in LEVELS])
    each = ", ".join(f"{weight:.5f}" for weight in weights)
    return f"with the next two rows, a value counts {each} / images"


def level_weights():
    finest, middle, coarsest = (weight_of_a_predictor(level) for level in LEVELS)
    assert finest == pytest.approx(middle)
    return f"a value at stride 32 counts {coarsest / finest:.1f} times one at stride 8 or 16"


def factors():
    bce, focal = (confidence_factor(SQUARE, focal) for focal in (False, True))
    assert confidence_factor(WIDE, False) == pytest.approx(bce * 320 * 608 / 416**2)
    return f"box {BOX:g}, class {CLASS / CLASSES:g}, confidence {bce:g} or {focal:g} at 416x416"


def ignored_negatives():
    def differences(threshold):
        return ", ".join(
            f"{label} "
            + percent(
                [
                    total(ours(seed, name=name, ignore_threshold=threshold), "confidence")
                    / total(theirs(seed, name=name), "confidence")
                    for seed in SEEDS
                ],
                "+.1f",
            )
            for label, name in (("BCE", "bce"), ("focal", "focal"))
        )

    default, nearest = (differences(x) for x in (DEFAULT.ignore_threshold, IGNORE_THRESHOLD))
    return f"confidence: {default}; with {IGNORE_THRESHOLD}: {nearest}"


def positives():
    def ratios(threshold):
        mine = [ours(seed, anchor_match_threshold=threshold) for seed in SEEDS]
        return [
            total(sums, "positives") / total(theirs(seed), "positives")
            for seed, sums in zip(SEEDS, mine, strict=True)
        ]

    assert set(ratios(None)) == {1}
    more = span(ratios(DEFAULT.anchor_match_threshold), ".1f")
    return f"{more} times as many; with `None`, as many"


def label_smoothing():
    @cache
    def mine(seed, smoothing):
        batch = batch_of(seed, SQUARE, True)
        criterion = criterion_of(label_smoothing=smoothing)
        return float(criterion(targets(batch), batch.logits)["class"])

    nearest = 2 * SMOOTHING / CLASSES
    there = [
        total(level_sums(batch_of(seed, SQUARE, True), smoothing=SMOOTHING), "classes")
        / total(theirs(seed), "classes")
        for seed in SEEDS
    ]
    here, near = (
        [mine(seed, smoothing) / mine(seed, 0) for seed in SEEDS]
        for smoothing in (SMOOTHING, nearest)
    )
    left = [a / b for a, b in zip(near, there, strict=True)]
    return (
        f"with s = {SMOOTHING} and C = {CLASSES}, it adds {percent(there, '.1f')} to the class "
        f"term there, {percent(here, '.0f')} here; with {nearest:g} here: {percent(left, '+.1f')}"
    )


def weight_decay():
    """Nesterov's momentum sums up the decay that is in the gradient; the decoupled one is not."""
    momentum, decay, rate, steps = DEFAULT.momentum, DEFAULT.weight_decay, 1e-3, 5000
    weight, velocity = 1.0, 0.0
    for _ in range(steps):
        gradient = 2 * decay * weight
        velocity = momentum * velocity - rate * gradient
        weight += momentum * velocity - rate * gradient
    decoupled = (1 - rate * decay) ** steps
    times = np.log(weight) / np.log(decoupled)
    assert times == pytest.approx(2 / (1 - momentum), rel=0.01)
    return f"theirs {times:.0f} times as fast with `sgd` and momentum {momentum}"


SIZES = {
    "divisor of box and class": divisor_of_box_and_class,
    "divisor of confidence": divisor_of_confidence,
    "level weights": level_weights,
    "factors": factors,
    "ignored negatives": ignored_negatives,
    "positives": positives,
    "center of an object": box_sizes.center,
    "two objects on one predictor": box_sizes.two_objects_on_one_predictor,
    "CIoU": box_sizes.complete_iou,
    "SIoU": box_sizes.siou,
    "label smoothing s": label_smoothing,
    "center in the cell": box_sizes.offset_in_the_cell,
    "weight decay": weight_decay,
}
