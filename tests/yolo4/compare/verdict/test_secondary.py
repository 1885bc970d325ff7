"""Secondary outcomes: their means are those of the report, their intervals hold together."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.study_folder import detect_first, finish_run, make_images, make_plan
from utils.metrics.calibration import ScoreChoice
from utils.metrics.statistics.significance import VarianceComponents
from yolo4.compare.conclusion import conclude
from yolo4.compare.design import Design
from yolo4.compare.judging import judge
from yolo4.compare.report.arm_summary import summarize_arm
from yolo4.compare.report.measured import measure_runs
from yolo4.compare.report.summary import _matches
from yolo4.compare.verdict import secondary
from yolo4.compare.verdict.secondary import secondary_outcomes, sidak

pytestmark = pytest.mark.quick

OF_ALL = {
    secondary.F1: "f1",
    secondary.COCO_AP: "AP",
    secondary.COCO_AP75: "AP75",
    secondary.ECE: "ece",
    secondary.SCALED_ECE: "scaled_ece",
}


@pytest.fixture
def study(tmp_path):
    """A plan with three seeds, its images and its runs."""
    images = make_images(tmp_path, 8)
    plan = looking_after(make_plan(tmp_path, seeds=range(3)), 3)
    images.save(plan.study.images_file)
    for seed in plan.seeds:
        finish_run(plan, "bce", seed, detect_first(images, 3 + seed))
        finish_run(plan, "focal", seed, detect_first(images, (5, 8, 6)[seed]))
    return plan, images, measure_runs(plan, images)


def looking_after(plan, *looks):
    declared = dataclasses.replace(plan.declared[0], design=Design(looks=looks))
    return dataclasses.replace(plan, declared=(declared,))


def outcomes(plan, measured):
    contrasts = judge(plan, _matches(measured), {})
    return secondary_outcomes(measured, contrasts, plan.design, 0)


def test_means_are_those_of_the_scores(study):
    plan, images, measured = study
    found = {each.outcome: each for each in outcomes(plan, measured)}
    bce, focal = (summarize_arm(plan, arm, images, measured[arm.name]) for arm in plan.arms)
    for outcome, metric in OF_ALL.items():
        expected = focal["metrics"][metric]["mean"] - bce["metrics"][metric]["mean"]
        assert found[outcome].mean == pytest.approx(expected), outcome
    for name in images.class_names:
        expected = focal["ap"][name]["mean"] - bce["ap"][name]["mean"]
        assert found[f"AP of {name}"].mean == pytest.approx(expected)
    pairs = zip(measured["focal"].values(), measured["bce"].values(), strict=True)
    overall = [
        mine.voc.main.overall.average_precision - other.voc.main.overall.average_precision
        for mine, other in pairs
    ]
    assert found[secondary.POOLED].mean == pytest.approx(np.mean(overall))
    assert len(found) == len(OF_ALL) + 3
    assert {e.outcome for e in found.values() if e.to_dict()["lower_is_better"]} == {
        secondary.ECE, secondary.SCALED_ECE,
    }  # fmt: skip


def test_an_interval_is_that_of_a_verdict_at_a_lower_level(study):
    """The pooled AP is a mAP of one class: a verdict on it has the same components of variance."""
    plan, _, measured = study
    found = {each.outcome: each for each in outcomes(plan, measured)}
    one = {
        arm: {s: secondary.pooled(m) for s, m in runs.items()}
        for arm, runs in _matches(measured).items()
    }
    (contrast,) = conclude(one, "bce", Design(looks=(3,)), 2000, 0)
    image, seed = contrast.components.image**2, np.var(contrast.differences, ddof=1)
    half = VarianceComponents(image, 8, seed, 3).half_width(sidak(0.05, len(found)))
    low, high = found[secondary.POOLED].interval
    # 400 resamples know a variance to 7%, of which the images' is a part.
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_planned_looks_widen_the_intervals(study):
    plan, _, measured = study
    alone, among = outcomes(plan, measured), outcomes(looking_after(plan, 3, 5, 8), measured)
    for narrow, wide in zip(alone, among, strict=True):
        assert narrow.mean == wide.mean
        assert np.ptp(narrow.interval) <= np.ptp(wide.interval)
    assert np.ptp(alone[0].interval) < np.ptp(among[0].interval)


def test_a_lost_run_takes_a_seed_from_the_later_looks(study):
    """Seed 1 of the arm diverged: the looks after 3 and 5 seeds have 2 and 4."""
    *_, measured = study
    del measured["focal"][1]
    kept = {arm: {s: run for s, run in runs.items() if s != 1} for arm, runs in measured.items()}
    found = []
    for looks, runs, lost in (((3, 5), measured, {"focal": [1]}), ((2, 4), kept, {})):
        contrasts = conclude(_matches(runs), "bce", Design(looks=looks), 2000, 0, lost=lost)
        found.append(secondary_outcomes(measured, contrasts, Design(looks=looks), 0))
    assert found[0] == found[1]
    assert found[0][0].seeds == 2


def test_sidak_by_hand():
    assert sidak(0.05, 1) == pytest.approx(0.05)
    assert sidak(0.0975, 2) == pytest.approx(0.05)


@pytest.mark.parametrize("shared", [0.0, 0.5, 0.95])
def test_intervals_hold_together(shared):
    """Twelve outcomes of five seeds, whose noise is shared to any degree."""
    rng, studies, count, seeds = np.random.default_rng(0), 1500, 12, 5
    level = sidak(0.05, count)
    noise = rng.normal(size=(studies, count, seeds)) * (1 - shared) ** 0.5
    values = noise + rng.normal(size=(studies, 1, seeds)) * shared**0.5
    unit = VarianceComponents(0.0, 72, 1.0, seeds).half_width(level)
    half = unit * values.std(axis=2, ddof=1)
    hold = (np.abs(values.mean(axis=2)) <= half).all(axis=1)
    assert hold.mean() >= 0.95 - 4 * (0.05 * 0.95 / studies) ** 0.5


def test_what_a_run_lacks_is_left_out(study):
    plan, _, measured = study
    run = measured["focal"][1]
    for choice, lacking in (
        (ScoreChoice(None, None), {secondary.F1, secondary.SCALED_ECE}),
        (run.choice, set()),
    ):
        measured["focal"][1] = dataclasses.replace(run, choice=choice)
        names = {each.outcome for each in outcomes(plan, measured)}
        assert {secondary.F1, secondary.SCALED_ECE} - names == lacking


def test_a_class_of_one_image_has_no_interval(study):
    plan, images, measured = study
    dogs = [record.labels == 1 for record in images.records]
    assert sum(map(np.any, dogs)) == 4
    for record in images.records[3:]:
        record.difficult[:] |= record.labels == 1
    names = {each.outcome for each in outcomes(plan, measured)}
    assert "AP of cat" in names
    assert "AP of dog" not in names


def test_one_seed_has_no_intervals(tmp_path):
    images, plan = make_images(tmp_path), make_plan(tmp_path, seeds=(0,))
    for arm in plan.arms:
        finish_run(plan, arm.name, 0, detect_first(images, 3))
    images.save(plan.study.images_file)
    assert outcomes(plan, measure_runs(plan, images)) == []
