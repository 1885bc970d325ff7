"""The words are checked by hand for every kind of study."""

import pytest

from yolo4.compare.verdict.conditions import conditions, with_conditions
from yolo4.config import Config

pytestmark = pytest.mark.quick


def entry(name="focal", best=(4, 4, 3), last=4, failed=0, missing=0, voc_map=0.8, **values):
    """An arm's entry in a report: finished runs with these best epochs, and others."""
    runs = [{"status": "done", "best_epoch": epoch, "last_epoch": last} for epoch in best]
    others = ["failed"] * failed + ["missing"] * missing
    runs += [{"status": status, "best_epoch": None, "last_epoch": None} for status in others]
    return {
        "name": name,
        "protocol": "as_is",
        "overrides": {},
        "tuning": None,
        "runs": runs,
        "metrics": {"voc_map": {"mean": voc_map}},
    } | values


BCE = entry("bce", best=(4, 2, 3))


def after(epochs, **settings):
    return Config(epochs=epochs, **settings)


def test_a_study_in_which_most_runs_end_with_their_best_epoch_has_not_converged():
    assert conditions(entry(best=(4, 4, 4)), BCE, after(4), "test") == [
        "after 4 epochs with equal gains",
        "not converged (the best epoch is the last in 4 of 6 runs)",
        "at a VOC mAP of 80.0 for bce",
    ]
    assert "converged (the best epoch is the last in 3 of 6 runs)" in conditions(
        entry(), BCE, after(4), "test"
    )


def test_networks_that_have_learned_nothing_are_named():
    words = "at a VOC mAP of 1.2 for bce"
    low = entry("bce", voc_map=0.012)
    assert f"{words}, when neither has learned to detect" in conditions(
        entry(voc_map=0.09), low, after(4), "test"
    )
    assert words in conditions(entry(voc_map=0.1), low, after(4), "test")
    unknown = entry("bce", voc_map=None)
    assert not any("VOC mAP" in part for part in conditions(low, unknown, after(4), "test"))


@pytest.mark.parametrize(
    ("arm", "words"),
    [
        (entry(protocol="matched"), "with the initial gradient of focal as large as BCE's"),
        (entry(overrides={"confidence_gain": 4}), "with the gains of the arms' names"),
        (entry(overrides={"focal_gamma": 1}), "with equal gains"),
        (
            entry(protocol="tuned", tuning={"trials": 9}),
            "with settings chosen by trials on validation images (9 for focal)",
        ),
    ],
)
def test_the_protocol_is_named(arm, words):
    assert conditions(arm, BCE, after(16), "test")[0] == f"after 16 epochs {words}"


def test_a_matched_reference_is_named_too():
    reference = entry("ohem", protocol="matched")
    for arm, names in ((BCE, "ohem"), (entry(protocol="matched"), "focal and ohem")):
        words = f"with the initial gradient of {names} as large as BCE's"
        assert conditions(arm, reference, after(9), "test")[0] == f"after 9 epochs {words}"


def test_images_that_chose_the_epoch_are_named():
    assert "on images that chose the epoch too" in conditions(entry(), BCE, after(4), "val")
    assert "on images that chose the epoch too" not in conditions(entry(), BCE, after(4), "test")


def test_no_image_chooses_the_last_weights():
    assert "on images that chose the epoch too" not in conditions(
        entry(), BCE, after(4), "val", "last"
    )


def test_lost_runs_are_counted_among_those_that_have_begun():
    arm, reference = entry(failed=2, missing=1), entry("bce", failed=1)
    assert conditions(arm, reference, after(4), "test")[-2:] == [
        "without the 2 of 5 runs of focal that diverged",
        "without the 1 of 4 runs of bce that diverged",
    ]


def test_without_a_finished_run_only_lost_ones_are_named():
    arm = entry(best=(), failed=1)
    assert conditions(arm, entry("bce", best=()), after(4), "val") == [
        "without the 1 of 1 run of focal that diverged"
    ]


def test_the_sentence_begins_with_the_conditions():
    assert with_conditions("focal is worse.", ["after 4 epochs", "converged"]) == (
        "After 4 epochs, converged, focal is worse."
    )
    assert with_conditions("Undecided: 1.", ["after 4 epochs"]) == "After 4 epochs, undecided: 1."
    assert with_conditions("Undecided: 1.", []) == "Undecided: 1."


def test_one_epoch_and_one_run_are_singular():
    arm, reference = entry(best=(1,), last=1), entry("bce", best=())
    assert conditions(arm, reference, after(1), "test") == [
        "after 1 epoch with equal gains",
        "not converged (the best epoch is the last in 1 of 1 run)",
        "at a VOC mAP of 80.0 for bce",
    ]


@pytest.mark.parametrize(
    ("fresh", "words"),
    [
        (True, "after 9 epochs from yolov4-tiny with fresh heads, with equal gains"),
        (False, "after 9 epochs from yolov4-tiny, with equal gains"),
    ],
)
def test_initial_weights_and_what_became_of_their_heads_are_named(fresh, words):
    shared = after(9, weights="models/yolov4-tiny", fresh_heads=fresh)
    assert conditions(entry(), BCE, shared, "test")[0] == words
