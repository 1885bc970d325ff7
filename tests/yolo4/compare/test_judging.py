import dataclasses

import pytest

from tests.helpers.study_folder import detect_first, finish_run, make_images, make_plan
from yolo4.compare.contrast import NotComparable
from yolo4.compare.judging import is_decided, judge_stored

pytestmark = pytest.mark.quick


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A contrast as far as its verdict goes."""

    verdict: str
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
    ],
    ids=str,
)
def test_a_study_is_decided_when_every_arm_is(contrasts, decided):
    assert is_decided(contrasts) == decided


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
