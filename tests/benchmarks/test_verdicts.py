"""The simulation of verdicts: its truth is what it says, and verdicts keep their error rates."""

from functools import partial

import numpy as np
import pytest
from scipy import special, stats

from benchmarks.verdicts import outcomes, rules
from benchmarks.verdicts.__main__ import TABLES
from benchmarks.verdicts.play import Game, play
from benchmarks.verdicts.simulation import Scenario, simulate, skill_of
from benchmarks.verdicts.studies import DetectionStudy, ScoreStudy
from utils.metrics.statistics.bootstrap import weighted_map
from utils.metrics.voc_map import pooled
from yolo4.compare.contrast import CO_OUTCOME, LEVEL
from yolo4.compare.design import Design
from yolo4.compare.verdict.looks import look_at

SCENARIO = Scenario(72)
ONCE = np.ones((72, 1))
RULES = {"now": rules.now, "before": rules.before, "once": rules.before_at_the_end}


def mean_map(scenario, skill, studies, seed):
    once = np.ones((scenario.images, 1))
    values = []
    for study in range(studies):
        found = simulate(scenario, (0.0, skill), 1, np.random.default_rng([study, seed]))
        values.append([weighted_map(found[arm][0], once)[0] for arm in "01"])
    return np.array(values)


@pytest.mark.quick
def test_outcomes_are_measured_on_the_test_images_alone():
    """The threshold is the best of all on the other images, and no other counts for mAP."""
    runs = simulate(Scenario(30 + 87), (0.0, 0.3), 1, np.random.default_rng([0, 2]))
    values = []
    for arm in "01":
        run = runs[arm][0]
        test = outcomes._of_images(run, slice(30))
        assert test.images.max() < 30
        assert (test.num_gt == run.num_gt[:30]).all()
        threshold = outcomes._threshold(outcomes._of_images(run, slice(30, None)))
        kept = (run.images >= 30) & (run.scores >= threshold)
        f1 = 2 * run.is_tp[kept].sum() / (kept.sum() + run.num_gt[30:].sum())
        every = [(run.images >= 30) & (run.scores >= score) for score in run.scores]
        best = max(2 * run.is_tp[k].sum() / (k.sum() + run.num_gt[30:].sum()) for k in every)
        assert f1 == pytest.approx(best)
        values.append(weighted_map(test, np.ones((30, 1)))[0])
    found = outcomes.differences(Scenario(30), 0.3, 1)
    assert found.shape == (1, len(outcomes.OUTCOMES))
    assert found[0, 0] == pytest.approx(values[1] - values[0])


@pytest.mark.quick
@pytest.mark.parametrize("mean", [0.0, 0.05, 0.3])
def test_the_co_outcome_is_judged_as_in_the_comparison(mean):
    design = Design(looks=(3, 5), co_outcome=CO_OUTCOME.name)
    study = DetectionStudy.draw(SCENARIO, (0.0, mean), design, 7)
    matches = simulate(SCENARIO, (0.0, mean), 5, np.random.default_rng([7, 72, 0]))
    one = {arm: {s: pooled(run) for s, run in runs.items()} for arm, runs in matches.items()}
    differences = [
        (weighted_map(one["1"][s], ONCE) - weighted_map(one["0"][s], ONCE))[0] for s in range(3)
    ]
    assert study.beside.estimate(3).differences == pytest.approx(differences)
    look = look_at(study.beside.estimate(3), design, 0, CO_OUTCOME.level)
    judged = rules.co_outcome(study, 0)
    assert (judged.verdict, judged.interval) == (look.verdict, look.interval)
    first = rules.now(study, 0)
    both = {first.verdict, judged.verdict} - {"undecided"}
    either = rules.either(study, 0)
    assert (either.verdict in both) if both else either.verdict == "undecided"
    assert either.stops == first.stops


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
def test_folds_have_different_images():
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
@pytest.mark.parametrize("mean", np.linspace(-0.06, 0.06, 7))
def test_the_rule_in_use_is_that_of_the_comparison(mean):
    study = DetectionStudy.draw(SCENARIO, (0.0, 2 * mean), Design(looks=(3, 5)), 7)
    for index in (0, 1):
        look = look_at(study.estimate((3, 5)[index]), study.design, index)
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
    study = ScoreStudy.draw(Scenario(72, (1.0,) * 3), (0.0,) * 3, Design(looks=(5,)), 1)
    own, other = (study.estimate(5, arm).variances.seed_variance for arm in "12")
    prior, worth = rules._prior(np.array([own, other]), 4)
    assert worth > 0
    assert min(own, other) * 0.8 < prior < max(own, other) * 1.3


@pytest.mark.quick
def test_equal_variances_are_pooled():
    """They differ by less than chance, so the prior is worth all degrees of freedom there are."""
    prior, worth = rules._prior(np.array([2.0, 2.1, 1.9]), 4)
    assert worth > 1000
    # The mean of the logarithm of a variance with 4 degrees is below that of the variance.
    assert prior == pytest.approx(2 * np.exp(np.log(2) - special.digamma(2)), rel=0.01)


@pytest.mark.quick
@pytest.mark.parametrize("folds", [0, 3])
def test_the_closed_variances_are_those_of_a_bootstrap(folds):
    study = ScoreStudy.draw(Scenario(90, folds=folds), (0.0, 0.0), Design(folds=folds), 2)
    rng, drawn = np.random.default_rng(0), []
    of_images = study.scores[1, :5] - study.scores[0, :5]
    images = of_images.shape[1]
    for fold in range(folds or 1):
        weights = rng.multinomial(images, np.full(images, 1 / images), 20_000).T
        drawn.append((of_images[fold :: folds or 1] @ weights / images).sum(axis=0) / 5)
    expected = np.sum(drawn, axis=0).var()
    # A bootstrap divides by the number of images, the closed form by one less.
    assert study.variance_over_images(5) == pytest.approx(
        expected * images / (images - 1), rel=0.04
    )


@pytest.mark.quick
def test_scores_have_the_noise_of_detections():
    """The parts of the variance, on average over 40 studies of each kind."""
    parts = []
    for study in (
        *(DetectionStudy.draw(SCENARIO, (0.0, 0.0), Design(looks=(6,)), n) for n in range(40)),
        *(ScoreStudy.draw(SCENARIO, (0.0, 0.0), Design(looks=(6,)), n) for n in range(40)),
    ):
        variances = study.estimate(6).variances
        parts.append((variances.image_variance, variances.seed_variance))
    detections, scores = np.split(np.sqrt(np.reshape(parts, (2, 40, 2)).mean(axis=1)), 2)
    # Standard errors: 3% of the images' standard deviation, 5% of the seeds'.
    assert scores[0] == pytest.approx(detections[0], rel=0.2)


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


@pytest.mark.slow
def test_errors_stay_at_the_level_with_folds_that_share_training_images():
    """Scores of images in five folds that correlate by a fifth: 1000 studies."""
    (scenario,) = (s for s in TABLES["folds"].scenarios.values() if s.training_set)
    game = Game(scenario, 0.0, None, Design(folds=scenario.folds), {"now": rules.now})
    records, studies = list(map(partial(play, game), range(1000))), 1000
    limit = stats.binom.ppf(0.998, studies, LEVEL)
    assert sum(record.ends["now"].verdict in ("better", "worse") for record in records) <= limit
    for size in range(4):
        assert sum(not record.sizes[size].covers for record in records) <= limit


@pytest.mark.quick
def test_folds_correlate_by_a_fifth():
    """What Nadeau and Bengio assume for five folds: differences of single seeds, 4000 studies."""
    (scenario,) = (s for s in TABLES["folds"].scenarios.values() if s.training_set)
    design, pairs = Design(looks=(2,), folds=scenario.folds), []
    for number in range(4000):
        scores = ScoreStudy.draw(scenario, (0.0, 0.0), design, number).scores.mean(axis=2)
        pairs.append(scores[1] - scores[0])
    correlation = np.corrcoef(np.transpose(pairs))[0, 1]
    assert correlation == pytest.approx(1 / 5, abs=4 / 4000**0.5)
