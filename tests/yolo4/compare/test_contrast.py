"""The sentences of a comparison: plain, complete and true."""

from dataclasses import replace

import pytest

from yolo4.compare.contrast import Contrast, NotComparable, describe

pytestmark = pytest.mark.quick

UNCLEAR = Contrast(
    "focal",
    "bce",
    seeds=(0, 1, 2),
    differences=(0.001, 0.005, 0.006),
    mean=0.004,
    image_interval=(-0.008, 0.016),
    interval=(-0.0104, 0.0184),
    sign_flip_p=0.25,
    least_sign_flip_p=0.25,
    p=0.3,
    p_holm=0.6,
    verdict="inconclusive",
)
CLEAR = replace(
    UNCLEAR, mean=0.0213, image_interval=(0.01, 0.03), interval=(0.0084, 0.0342), p_holm=0.0123
)


@pytest.mark.parametrize(("verdict", "sign"), [("better", 1), ("worse", -1)])
def test_a_verdict_comes_with_interval_and_size(verdict, sign):
    interval = tuple(sorted(sign * limit for limit in CLEAR.interval))
    contrast = replace(CLEAR, verdict=verdict, mean=sign * CLEAR.mean, interval=interval)
    limits = {1: "+0.8 to +3.4", -1: "-3.4 to -0.8"}[sign]
    assert describe(contrast, 72, 1) == (
        f"focal is {verdict} than bce: {'+-'[sign < 0]}2.1 points of mAP "
        f"(95% interval {limits}; 3 seeds, 72 test images)."
    )
    assert describe(contrast, 72, 3) == (
        f"focal is {verdict} than bce: {'+-'[sign < 0]}2.1 points of mAP "
        f"(95% interval {limits}; 3 seeds, 72 test images; p = 0.012 corrected for 3 comparisons)."
    )


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ((14, None), "about 14 seeds would settle it if the difference stays."),
        ((None, 620), "about 620 test images would settle it if the difference stays."),
        (
            (9, 220),
            "about 9 seeds and 220 test images together would settle it if the difference stays.",
        ),
        ((None, None), "1000 seeds would not settle a difference so small."),
    ],
)
def test_inconclusive_states_what_would_settle_it(needed, words):
    contrast = replace(UNCLEAR, seeds_needed=needed[0], images_needed=needed[1])
    assert describe(contrast, 72, 1) == (
        "Inconclusive: focal - bce = +0.4 points of mAP, 95% interval -1.0 to +1.8 "
        f"(3 seeds, 72 test images); {words}"
    )


def test_inconclusive_although_the_interval_excludes_zero_states_why():
    contrast = replace(CLEAR, p_holm=0.0634, verdict="inconclusive", seeds_needed=4)
    assert "(3 seeds, 72 test images), but p = 0.063 corrected for 2 comparisons; about 4" in (
        describe(contrast, 72, 2)
    )
    contrast = replace(contrast, image_interval=(-0.001, 0.04))
    assert "test images), but over the images alone -0.1 to +4.0; about" in describe(
        contrast, 72, 2
    )


def test_one_seed_states_that_one_run_shows_no_noise():
    contrast = replace(UNCLEAR, seeds=(7,), interval=None, p=None, p_holm=None)
    assert describe(contrast, 72, 0) == (
        "Inconclusive: one run per arm says nothing about the noise of training. focal - bce = "
        "+0.4 points of mAP with seed 7, 95% interval over 72 test images alone -0.8 to +1.6."
    )


def test_a_contrast_that_cannot_be_compared_has_a_reason_and_no_number():
    contrast = NotComparable("focal", "bce", "the first batches differ for seed 1.")
    assert contrast.sentence == (
        "focal and bce cannot be compared: the first batches differ for seed 1."
    )
    entry = contrast.to_dict()
    assert entry.keys() == UNCLEAR.to_dict().keys()
    assert (entry["verdict"], entry["mean"], entry["p"]) == ("not comparable", None, None)
    assert entry["seeds"] == entry["differences"] == ()


@pytest.mark.parametrize(
    ("low", "text"),
    [(0.0004, "+0.04 to"), (-0.00004, "-0.004 to"), (0.0, "0.0 to"), (-1e-9, "0.0 to")],
)
def test_a_limit_near_zero_shows_its_side(low, text):
    """An interval that excludes zero must not be printed as if it reached it."""
    contrast = replace(CLEAR, interval=(low, 0.0342), verdict="better")
    assert f"95% interval {text} +3.4" in describe(contrast, 72, 1)
