import dataclasses

import pytest

from tests.helpers.study_folder import (
    begin_run,
    detect_first,
    finish_run,
    make_images,
    make_plan,
)
from utils.metrics.voc_map import match_voc, pooled
from yolo4.compare.contrast import CO_OUTCOME, LEVEL, NotComparable
from yolo4.compare.design import Design
from yolo4.compare.judging import is_decided, judge, judge_co_outcome, judge_stored
from yolo4.compare.options import CompareOptions
from yolo4.compare.planning.declaration import Declaration
from yolo4.compare.report.outcome import write_outcome
from yolo4.compare.study_files import write_json

pytestmark = pytest.mark.quick


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A contrast as far as its verdict goes."""

    verdict: str
    arm: str = "focal"
    futile: bool = False


@pytest.mark.parametrize(
    ("contrasts", "decided"),
    [
        ([Outcome("better")], True),
        ([Outcome("practically the same"), Outcome("worse")], True),
        ([Outcome("better"), Outcome("undecided")], False),
        ([Outcome("undecided", futile=True)], True),
        ([NotComparable("focal", "bce", "no seed")], True),
        ([NotComparable("focal", "bce", "no seed"), Outcome("undecided")], False),
        ([Outcome("undecided", "bce control"), Outcome("better")], True),
        ([Outcome("undecided", "bce control")], False),
    ],
    ids=str,
)
def test_a_study_is_decided_when_every_arm_is(tmp_path, contrasts, decided):
    plan = make_plan(tmp_path, arms=("bce", "bce", "focal"))
    assert is_decided(plan, contrasts) == decided


def test_stored_runs_are_judged_arm_by_arm(tmp_path):
    images = make_images(tmp_path)
    plan = make_plan(tmp_path, arms=("bce", "focal", "ohem"))
    images.save(plan.study.images_file)
    for seed in plan.seeds:
        finish_run(plan, "bce", seed, detect_first(images, 2))
        finish_run(plan, "focal", seed, detect_first(images, 5))
        finish_run(plan, "ohem", seed, detect_first(images, 5), first_batches="other")
    focal, ohem = judge_stored(plan)
    # One more of three cats, and two more of three dogs.
    assert focal.differences == pytest.approx([0.5, 0.5])
    assert isinstance(ohem, NotComparable)
    assert "first batches" in ohem.reason


def declaring(plan, co_outcome):
    design = Design(looks=(3,), co_outcome=co_outcome)
    return dataclasses.replace(plan, declared=(Declaration(design, 0, ""),))


def matches_of(images, count):
    return match_voc(detect_first(images, count), images.records, images.class_names)


def test_the_co_outcome_is_the_ap_of_all_objects_at_half_the_error(tmp_path):
    images = make_images(tmp_path)
    plan = declaring(make_plan(tmp_path, seeds=range(3)), CO_OUTCOME.name)
    found = {"bce": (2, 3, 2), "focal": (5, 5, 6)}
    matches = {
        arm: {seed: matches_of(images, count) for seed, count in enumerate(counts)}
        for arm, counts in found.items()
    }
    (contrast,) = judge_co_outcome(plan, matches, {})
    # The false detections score lowest, so AP is the share of the six objects that are found.
    assert contrast.differences == pytest.approx([3 / 6, 2 / 6, 4 / 6])
    assert (contrast.outcome, contrast.level) == (CO_OUTCOME.name, LEVEL / 2)
    assert "points of AP of all objects as one class (97.5% interval" in contrast.sentence
    (look,) = contrast.looks
    assert look.interval == contrast.interval
    one = {arm: {s: pooled(m) for s, m in runs.items()} for arm, runs in matches.items()}
    (at_95,) = judge(plan, one, {})
    assert contrast.interval[0] < at_95.interval[0] < at_95.interval[1] < contrast.interval[1]
    assert contrast.p == at_95.p


@pytest.mark.parametrize(
    ("co_outcome", "classes"), [(None, ("cat", "dog")), (CO_OUTCOME.name, ("animal",))]
)
def test_there_is_no_co_outcome_if_none_is_declared_or_it_would_be_map(
    tmp_path, co_outcome, classes
):
    images = make_images(tmp_path)
    plan = declaring(make_plan(tmp_path), co_outcome)
    run = matches_of(images, 3)
    run = pooled(run) if len(classes) == 1 else run
    matches = {arm: dict.fromkeys(plan.seeds, run) for arm in ("bce", "focal")}
    assert judge_co_outcome(plan, matches, {}) == []


def test_a_control_changes_nothing_about_the_other_arms(tmp_path):
    images = make_images(tmp_path)
    found = {"bce": (2, 3), "bce control": (3, 2), "focal": (4, 6), "ohem": (3, 4)}
    sentences = {}
    for name, arms in (
        ("with", ("bce", "bce", "focal", "ohem")),
        ("without", ("bce", "focal", "ohem")),
    ):
        plan = make_plan(tmp_path / name, arms=arms)
        plan.study.folder.mkdir()
        images.save(plan.study.images_file)
        for arm, seed, _ in plan.runs():
            finish_run(plan, arm.name, seed, detect_first(images, found[arm.name][seed]))
        contrasts = judge_stored(plan)
        sentences[name] = [contrast.sentence for contrast in contrasts]
        assert [contrast.arm for contrast in contrasts] == [arm.name for arm in plan.arms[1:]]
    assert sentences["with"][1:] == sentences["without"]
    assert "bce control" in sentences["with"][0]


def test_a_study_of_one_seed_has_no_verdict(tmp_path):
    images = make_images(tmp_path)
    plan = make_plan(tmp_path, seeds=(0,))
    declared = (Declaration(CompareOptions(max_seeds=1).design, 0, ""),)
    plan = dataclasses.replace(plan, declared=declared)
    images.save(plan.study.images_file)
    for arm in plan.arms:
        finish_run(plan, arm.name, 0, detect_first(images, 4))
    (contrast,) = judge_stored(plan)
    assert contrast.verdict == "undecided"
    assert "one run per arm says nothing" in contrast.sentence


def test_a_study_with_a_lost_run_ends_with_a_verdict_that_says_so(tmp_path):
    images = make_images(tmp_path)
    plan = make_plan(tmp_path, seeds=range(4))
    declared = (Declaration(CompareOptions(max_seeds=4, looks=(3,)).design, 0, ""),)
    plan = dataclasses.replace(plan, declared=declared)
    images.save(plan.study.images_file)
    for seed in plan.seeds:
        finish_run(plan, "bce", seed, detect_first(images, 2))
        if seed != 1:
            finish_run(plan, "focal", seed, detect_first(images, 6))
    (waiting,) = judge_stored(plan)
    assert waiting.next_look == 4
    begin_run(plan, "focal", 1)
    write_json(plan.study.run("focal", 1).failure_file, {"reason": "the loss is nan"})
    (contrast,) = judge_stored(plan)
    assert [look.seeds for look in contrast.looks] == [2, 3]
    assert (contrast.verdict, contrast.next_look) == ("better", None)
    assert is_decided(plan, [contrast])
    (sentence,) = write_outcome(plan)["verdict"]
    assert "without the 1 of 4 runs of focal that diverged, focal is better than bce" in sentence
    assert "3 seeds" in sentence
