"""The simulation of verdicts: its truth is what it says, and verdicts keep their error rates."""

from functools import partial

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdicts import rules
from benchmarks.verdicts.play import Game, play
from benchmarks.verdicts.simulation import Scenario, simulate, skill_of
from utils.metrics.statistics.bootstrap import weighted_map
from yolo4.compare.contrast import LEVEL
from yolo4.compare.design import Design
from yolo4.compare.verdict.estimate import resampled_maps
from yolo4.compare.verdict.looks import look_at

SCENARIO = Scenario(72)
RULES = {"now": rules.now, "before": rules.before, "once": rules.before_at_the_end}


def mean_map(scenario, skill, studies, seed):
    once = np.ones((scenario.images, 1))
    values = []
    for study in range(studies):
        found = simulate(scenario, (0.0, skill), 1, np.random.default_rng([study, seed]))
        values.append([weighted_map(found[arm][0], once)[0] for arm in "01"])
    return np.array(values)


@pytest.mark.quick
def test_studies_are_reproducible_and_runs_share_images():
    one, other = (simulate(SCENARIO, (0.0, 0.1), 3, np.random.default_rng(4)) for _ in range(2))
    assert [list(runs) for runs in one.values()] == [[0, 1, 2]] * 2
    for arm, runs in one.items():
        for seed, run in runs.items():
            assert (run.scores == other[arm][seed].scores).all()
            assert (np.diff(run.scores) <= 0).all()
            assert (run.num_gt == one["0"][0].num_gt).all()
    assert len({run.scores[0] for runs in one.values() for run in runs.values()}) == 6


@pytest.mark.quick
def test_folds_have_images_of_their_own():
    found = simulate(Scenario(40, folds=2), (0.0, 0.0), 4, np.random.default_rng(0))["0"]
    assert (found[0].num_gt == found[2].num_gt).all()
    assert (found[0].num_gt != found[1].num_gt).any()


@pytest.mark.quick
@pytest.mark.parametrize(("lessons", "low", "high"), [(0.0, -0.35, 0.35), (0.6, 0.5, 0.9)])
def test_training_sets_make_folds_alike(lessons, low, high):
    """Two of five training sets share three of their four parts: they correlate by 3 / 4."""
    scenario = Scenario(5 * 40, noise=(0.0,), folds=5, training_set=lessons)
    studies = [simulate(scenario, (0.0,), 2, np.random.default_rng(n))["0"] for n in range(150)]
    # The share of the objects that is found.
    found = [[run.is_tp.sum() / run.num_gt.sum() for run in runs.values()] for runs in studies]
    assert low < np.corrcoef(np.transpose(found))[0, 1] < high


@pytest.mark.quick
@pytest.mark.parametrize("image", [0.0, 1e-4])
@pytest.mark.parametrize("mean", np.linspace(-0.06, 0.06, 7))
def test_the_rule_in_use_is_that_of_the_comparison(mean, image):
    rng = np.random.default_rng(0)
    maps = resampled_maps(simulate(SCENARIO, (0.0, mean), 5, rng), 0, 100, 0)
    study = rules.Study(maps, Design(looks=(3, 5)), 72)
    for index in (0, 1):
        look = look_at(study.estimates[index], study.design, index)
        judged = rules.now(study, index)
        assert (judged.verdict, judged.interval) == (look.verdict, look.interval)
        assert judged.stops == (look.verdict != "undecided" or look.futile)


@pytest.mark.quick
def test_a_study_ends_at_the_look_that_decides():
    record = play(Game(SCENARIO, 0.3, (0.0, 1.0), Design(), RULES), 0)
    assert (record.ends["now"].verdict, record.ends["now"].seeds) == ("better", 3)
    assert (record.ends["once"].verdict, record.ends["once"].seeds) == ("better", 12)
    assert all(one.excludes_zero and one.excluded_zero_before for one in record.sizes)
    assert len(record.sizes) == 4


@pytest.mark.quick
def test_shrinking_lies_between_the_own_variance_and_that_of_all():
    maps = resampled_maps(simulate(Scenario(72, (1.0,) * 3), (0.0,) * 3, 5,
                                   np.random.default_rng(1)), 0, 100, 0)  # fmt: skip
    study = rules.Study(maps, Design(looks=(5,)), 72)
    own, other = (study.estimate(5, arm).variances.seed_variance for arm in "12")
    prior, worth = rules._prior(np.array([own, other]), 4)
    assert worth > 0
    assert min(own, other) * 0.8 < prior < max(own, other) * 1.3


def test_the_true_difference_is_what_it_says():
    """On other images than those of the calibration."""
    skills = skill_of(SCENARIO, [0.0, 0.03], 400)
    assert skills[0] == pytest.approx(0, abs=0.01)
    values = mean_map(SCENARIO, float(skills[1]), 600, 9)
    differences = values[:, 1] - values[:, 0]
    error = differences.std() * (1 / 400 + 1 / 600) ** 0.5
    assert differences.mean() == pytest.approx(0.03, abs=4 * error)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [(1.0, 1.0), (1.0, 2.0)])
def test_errors_and_coverage_stay_at_the_level(noise):
    """150 studies: a rate of 5% is exceeded by these limits once in 500 times."""
    scenario, studies = Scenario(72, noise), 150
    limit = stats.binom.ppf(0.998, studies, LEVEL)
    for difference, wrong in ((0.0, ("better", "worse")), (0.02, ("practically the same",))):
        (skill,) = skill_of(scenario, [difference], 400)
        game = Game(scenario, difference, (0.0, float(skill)), Design(), {"now": rules.now})
        records = list(map(partial(play, game), range(studies)))
        assert sum(record.ends["now"].verdict in wrong for record in records) <= limit
        assert sum(not record.ends["now"].covers for record in records) <= limit
        for size in range(4):
            assert sum(not record.sizes[size].covers for record in records) <= limit
