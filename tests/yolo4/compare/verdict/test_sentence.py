"""The sentences of a comparison: plain, complete and true."""

from dataclasses import replace

import pytest

from yolo4.compare.contrast import CO_OUTCOME, Components, Contrast, Look, NotComparable
from yolo4.compare.verdict.sentence import describe

pytestmark = pytest.mark.quick

LOOK = Look(3, 0.004, (-0.0104, 0.0184), (-0.008, 0.016), 0.3, 0.2)
UNCLEAR = Contrast(
    "focal",
    "bce",
    seeds=(0, 1, 2),
    differences=(0.001, 0.005, 0.006),
    mean=0.004,
    image_interval=(-0.008, 0.016),
    interval=(-0.0104, 0.0184),
    equivalence_interval=(-0.008, 0.016),
    p=0.3,
    p_holm=0.6,
    smallest_difference=0.02,
    next_look=5,
    last_look=12,
    looks=(LOOK,),
    images=72,
    comparisons=1,
)
CLEAR = replace(
    UNCLEAR, mean=0.0213, image_interval=(0.01, 0.03), interval=(0.0084, 0.0342), p_holm=0.0123
)


@pytest.mark.parametrize(("verdict", "sign"), [("better", 1), ("worse", -1)])
def test_a_verdict_comes_with_interval_and_size(verdict, sign):
    interval = tuple(sorted(sign * limit for limit in CLEAR.interval))
    contrast = replace(CLEAR, verdict=verdict, mean=sign * CLEAR.mean, interval=interval)
    limits = {1: "+0.8 to +3.4", -1: "-3.4 to -0.8"}[sign]
    assert describe(contrast) == (
        f"focal is {verdict} than bce: {'+-'[sign < 0]}2.1 points of mAP "
        f"(95% interval {limits}; 3 seeds, 72 images)."
    )
    assert describe(replace(contrast, comparisons=3)) == (
        f"focal is {verdict} than bce: {'+-'[sign < 0]}2.1 points of mAP "
        f"(95% interval {limits}; 3 seeds, 72 images; p = 0.012 corrected for 3 comparisons)."
    )


def test_the_same_says_what_is_the_same():
    contrast = replace(UNCLEAR, verdict="practically the same", p_same_holm=0.0004)
    assert describe(contrast) == (
        "focal and bce are practically the same: they differ by less than 2.0 points of mAP "
        "(+0.4; 90% interval -0.8 to +1.6; 3 seeds, 72 images)."
    )
    assert "; p < 0.001 corrected for 2 comparisons)" in describe(replace(contrast, comparisons=2))


def test_another_outcome_is_named_with_its_own_confidence():
    """At half the error, 97.5% and 95% take the place of 95% and 90%."""
    changes = {"outcome": CO_OUTCOME.name, "level": CO_OUTCOME.level}
    assert describe(replace(CLEAR, verdict="better", **changes)) == (
        "focal is better than bce: +2.1 points of AP of all objects as one class "
        "(97.5% interval +0.8 to +3.4; 3 seeds, 72 images)."
    )
    same = describe(replace(UNCLEAR, verdict="practically the same", **changes))
    assert "2.0 points of AP of all objects as one class (+0.4; 95% interval -0.8 to" in same


UNDECIDED = (
    "It is undecided whether focal is better or worse than bce: +0.4 points of mAP "
    "(95% interval -1.0 to +1.8; 3 seeds, 72 images). "
)


@pytest.mark.parametrize(
    ("changes", "prospect"),
    [
        ({}, "The next look is after 5 seeds."),
        ({"looks": (), "next_look": 3}, "The first verdict is given after 3 seeds."),
        ({"next_look": None}, "No further look is planned."),
        ({"futile": True}, "More seeds, up to 12, would hardly decide it."),
    ],
)
def test_undecided_says_what_more_seeds_can_do(changes, prospect):
    assert describe(replace(UNCLEAR, **changes)) == UNDECIDED + prospect


@pytest.mark.parametrize(("image", "named"), [(0.0099, False), (0.0101, True)])
def test_futile_because_of_the_images(image, named):
    """After 12 seeds, the training still leaves 0.01: the root of (0.024^2 + 0.025^2) / 12."""
    noise = Components(image, 0.024, (12e-4 - 0.024**2) ** 0.5)
    sentence = describe(replace(UNCLEAR, futile=True, components=noise))
    assert ("most of the doubt comes from the choice of images" in sentence) == named


def test_undecided_although_the_interval_excludes_zero_states_why():
    contrast = replace(CLEAR, p_holm=0.0634, comparisons=2)
    assert "72 images; p = 0.063 corrected for 2 comparisons). The" in describe(contrast)
    contrast = replace(contrast, interval=(-0.001, 0.04))
    assert "corrected" not in describe(contrast)


def test_one_seed_states_that_one_run_shows_no_noise():
    contrast = replace(UNCLEAR, seeds=(7,), interval=None, p=None, p_holm=None, looks=())
    assert describe(contrast) == (
        "It is undecided: one run per arm says nothing about the noise of training. focal - bce = "
        "+0.4 points of mAP with seed 7, 95% interval over 72 images alone -0.8 to +1.6."
    )


def test_a_contrast_that_cannot_be_compared_has_a_reason_and_no_number():
    contrast = NotComparable("focal", "bce", "the first batches differ for seed 1.")
    assert contrast.sentence == (
        "focal and bce cannot be compared: the first batches differ for seed 1."
    )
    entry = contrast.to_dict()
    assert entry.keys() == UNCLEAR.to_dict().keys()
    assert (entry["verdict"], entry["mean"], entry["p"]) == ("not comparable", None, None)
    assert entry["seeds"] == entry["differences"] == entry["looks"] == ()


@pytest.mark.parametrize(
    ("low", "text"),
    [(0.0004, "+0.04 to"), (-0.00004, "-0.004 to"), (0.0, "0.0 to"), (-1e-9, "0.0 to")],
)
def test_a_limit_near_zero_shows_its_side(low, text):
    """An interval that excludes zero must not be printed as if it reached it."""
    contrast = replace(CLEAR, interval=(low, 0.0342), verdict="better")
    assert f"95% interval {text} +3.4" in describe(contrast)
