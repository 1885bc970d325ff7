"""The forecast is checked against a simulated t test, and its sentences by hand."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from tests.helpers.study_folder import detect_first, finish_run, make_images, make_plan
from utils.metrics.statistics.significance import VarianceComponents
from yolo4.compare.contrast import LEVEL, Components, Contrast
from yolo4.compare.design import Design
from yolo4.compare.planning import forecast as forecasting
from yolo4.compare.planning.declaration import Declaration
from yolo4.compare.planning.forecast import detectable_difference, forecast
from yolo4.compare.verdict.looks import level_at

pytestmark = pytest.mark.quick


@pytest.mark.parametrize("seeds", [3, 5, 12])
def test_a_t_test_finds_the_difference_with_about_80_percent_power(seeds):
    """The image part is a constant here, as more seeds do not reduce it."""
    error, studies = 2.0, 20_000
    true = detectable_difference(0, error, seeds)
    drawn = np.random.default_rng(seeds).normal(true, error, (studies, seeds))
    found = stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05
    # The sum of two quantiles is an approximation; it errs by less than 5 points of power.
    assert found.mean() == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize("arms", [1, 2])
def test_the_last_look_finds_the_difference_with_the_power_of_the_forecast(tmp_path, images, arms):
    """Four looks, and Holm's first step: 400 studies with the noise of the guess."""
    plan = make_plan(tmp_path, ("bce", "focal", "ohem")[: arms + 1], seeds=range(12))
    _, power = forecast(plan)
    assert "With 12 seeds and 4 looks it finds a difference of" in power
    assert ("in each of 2 comparisons" in power) == (arms == 2)
    points = float(power.split("difference of ")[1].split()[0])
    image, seed = 1.2 * (72 / 6) ** 0.5, 1.5 * 2**0.5
    rng, found = np.random.default_rng(arms), 0
    for _ in range(400):
        seeds = rng.normal(0, seed, 12)
        noise = VarianceComponents(image**2, 72, seeds.var(ddof=1), 12)
        level = level_at(noise, plan.design.looks, 3, LEVEL / arms)
        found += points + rng.normal(0, image) + seeds.mean() > noise.half_width(level)
    # The standard error is 2 points; the sum of two quantiles errs by less than 5.
    assert found / 400 == pytest.approx(0.8, abs=0.11)


def test_more_seeds_reduce_the_part_of_the_seeds_alone():
    image, seed = 1.2, 2.0
    values = [detectable_difference(image, seed, seeds) for seeds in (3, 5, 12, 40, 10_000)]
    assert values == sorted(values, reverse=True)
    # The normal quantiles for 95% confidence and 80% power.
    assert values[-1] == pytest.approx((1.959964 + 0.841621) * image, rel=1e-3)


@pytest.fixture
def images(tmp_path):
    images = make_images(tmp_path)
    images.save(tmp_path / "images.json")
    return images


def test_a_new_study_is_forecast_by_a_guess(tmp_path, images):
    cost, power = forecast(make_plan(tmp_path, seeds=range(3)))
    assert cost == "6 runs (2 arms, 3 seeds); the first will show how long one takes."
    expected = detectable_difference(1.2 * (72 / 6) ** 0.5, 1.5 * 2**0.5, 3)
    assert f"difference of {expected:.1f} points with 80% power" in power
    assert "if runs scatter by 1.5 points, which is a guess; 6 images" in power


def test_finished_runs_tell_their_time(tmp_path, images):
    plan = dataclasses.replace(make_plan(tmp_path, seeds=range(3)), until_decided=True)
    finish_run(plan, "bce", 0, detect_first(images, 2))
    run = plan.study.run("bce", 0)
    # 9 training images at one image in 100 seconds, twice: 30 minutes.
    run.history_file.write_text("epoch,images_per_second\n1,0.01\n2,0.01\n", encoding="utf-8")
    cost, _ = forecast(plan)
    assert cost.startswith("At most 6 runs (2 arms, 3 seeds), 5 of them to do, of about 30 min")
    assert cost.endswith("each: 2.5 h to go.")


def contrast(*components):
    return Contrast(
        "focal", "bce", (0, 1), differences=(0.0, 0.0), mean=0.0, image_interval=(0.0, 0.0),
        smallest_difference=0.02, next_look=None, last_look=2, images=6, comparisons=1,
        components=Components(*components),
    )  # fmt: skip


def test_the_variance_of_earlier_runs_takes_the_place_of_the_guess(tmp_path, images, monkeypatch):
    both = [contrast(0.01, 0.03, 0.04), contrast(0.03, 0.0, 0.05)]
    monkeypatch.setattr(forecasting, "judge_stored", lambda plan: both)
    _, power = forecast(make_plan(tmp_path, seeds=range(3)))
    expected = detectable_difference(((1 + 9) / 2) ** 0.5, 5.0, 3)
    assert f"of {expected:.1f} points with 80% power, by the variance of the runs" in power


def test_folds_count_the_images_that_will_be_tested(tmp_path, images):
    plan = make_plan(tmp_path, seeds=(0, 1))
    declared = (Declaration(Design(folds=4, looks=(2,)), 0, ""),)
    _, power = forecast(dataclasses.replace(plan, declared=declared))
    assert "which is a guess; 3 images" in power
    # The seeds' variance counts 1 / 2 + 1 / 3, as in the verdict, so as if it were larger by 5 / 3.
    expected = detectable_difference(1.2 * (72 / 3) ** 0.5, 1.5 * (2 * 5 / 3) ** 0.5, 2)
    assert f"difference of {expected:.1f} points" in power


def test_one_seed_finds_nothing(tmp_path, images):
    assert len(forecast(make_plan(tmp_path, seeds=(0,)))) == 1
