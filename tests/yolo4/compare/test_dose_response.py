import dataclasses

import numpy as np
import pytest
from scipy import stats

from tests.helpers.study_folder import detect_first, make_images, make_plan
from utils.metrics.voc_map import match_voc
from yolo4.compare.dose_response import dose_responses, least_squares_weights

pytestmark = pytest.mark.quick


def test_the_weights_give_the_regression_coefficient():
    rng = np.random.default_rng(0)
    doses, responses = np.array([0.0, 0.5, 1.0, 2.0, 5.0]), rng.normal(size=5)
    coefficient = least_squares_weights(doses) @ responses
    assert coefficient == pytest.approx(stats.linregress(doses, responses).slope)


@pytest.fixture
def images(tmp_path):
    return make_images(tmp_path)


def matched(images, found):
    """Matches in which each run detects so many of the six objects, and nothing else first."""
    return {
        arm: {
            seed: match_voc(detect_first(images, count), images.records, images.class_names)
            for seed, count in enumerate(counts)
        }
        for arm, counts in found.items()
    }


GRID = ("bce", "focal:focal_gamma=0,1,2")
ARMS = [f"focal:focal_gamma={gamma}" for gamma in (0, 1, 2)]


def test_a_seed_that_finds_two_objects_more_per_unit_of_gamma(tmp_path, images):
    """Two of six objects, one of each class, are a third of mAP."""
    plan = make_plan(tmp_path, arms=GRID)
    found = dict(zip(ARMS, ((0, 0), (2, 2), (4, 4)), strict=True)) | {"bce": (6, 6)}
    (line,) = dose_responses(plan, matched(images, found))
    assert (line.arms, line.gammas, line.seeds) == (tuple(ARMS), (0, 1, 2), (0, 1))
    assert line.coefficient == pytest.approx(1 / 3)
    assert line.interval[0] < 1 / 3 < line.interval[1]
    assert "+33.3 points per unit of gamma" in line.sentence
    assert "gamma 0, 1, 2; 2 seeds, 6 images" in line.sentence


def test_without_a_change_the_interval_holds_zero(tmp_path, images):
    plan = make_plan(tmp_path, arms=GRID)
    (line,) = dose_responses(plan, matched(images, dict.fromkeys(ARMS, (2, 4))))
    assert (line.coefficient, line.interval) == (0, (0, 0))
    assert "may rise or fall" in line.sentence


def test_only_seeds_that_all_have_finished_count(tmp_path, images):
    plan = make_plan(tmp_path, arms=GRID)
    found = matched(images, dict.fromkeys(ARMS, (2, 4)))
    del found[ARMS[1]][1]
    assert dose_responses(plan, found) == []


@pytest.mark.parametrize(
    ("arms", "groups"),
    [
        (("bce", "focal:focal_gamma=1,2"), []),
        (("bce", "focal:focal_gamma=1,3", "focal"), [(1, 2, 3)]),
        (("bce", "focal:focal_alpha=0.25,0.5:focal_gamma=1,2,3"), [(1, 2, 3), (1, 2, 3)]),
        (("bce", "focal:focal_gamma=1,3", "focal:protocol=matched"), []),
        (("focal:focal_gamma=3,1,2", "focal_star:focal_gamma=1,2"), [(1, 2, 3)]),
    ],
    ids=str,
)
def test_arms_that_differ_in_gamma_alone_are_one_line(tmp_path, images, arms, groups):
    plan = make_plan(tmp_path, arms=arms)
    plan = dataclasses.replace(plan, resamples=50)
    found = matched(images, {arm.name: (2, 4) for arm in plan.arms})
    assert [line.gammas for line in dose_responses(plan, found)] == groups
