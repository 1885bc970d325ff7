"""The method section says what the code does: its formulas are evaluated and compared."""

import re

import numpy as np
import pytest
from markupsafe import Markup
from optuna.pruners import MedianPruner

from tests.helpers.report_page import Page
from tests.helpers.report_sample import make_report
from utils.metrics.statistics.significance import VarianceComponents
from utils.page import plot
from yolo4.compare.arms import parse_arms
from yolo4.compare.contrast import CO_OUTCOME, LEVEL
from yolo4.compare.dose_response import least_squares_weights
from yolo4.compare.report.page import render
from yolo4.compare.running.trials import ask
from yolo4.compare.tuning import Trial, ranges_of
from yolo4.compare.verdict import secondary
from yolo4.compare.verdict.looks import LEAST_HOPE
from yolo4.config import Config

pytestmark = pytest.mark.quick

TUNED = parse_arms(("bce", "focal"), "tuned")[1]


@pytest.fixture
def method(tmp_path, monkeypatch):
    """The text of the method section of a study with everything, and its formulas."""
    monkeypatch.setattr(plot, "inline_svg", lambda *values: Markup("<svg></svg>"))
    report = make_report()
    report["design"] |= {"folds": 5}
    ranges = {name: vars(each) for name, each in ranges_of(TUNED).items()}
    report["arms"][1]["tuning"] = {"trials": 20, "settings": {}, "ranges": ranges}
    report["dose_response"] = [{"sentence": "mAP rises.", "arms": ["a", "b", "c"]}]
    html = render(report, tmp_path).read_text(encoding="utf-8")
    section = html[html.index('<section id="method">') : html.index('<section id="record">')]
    return Page(section).text, re.findall("<code>([^<]*[/(][^<]*)</code>", section)


def evaluate(formula, **values):
    """A formula of the page in Python's notation."""
    python = formula.replace("−", "-").replace("²", "**2").replace("^", "**")
    return eval(python, {"sum": np.sum, "mean": np.mean} | values)


def test_every_formula_is_compared_here(method):
    assert len(method[1]) == 6


def test_the_part_of_the_images(method):
    found = VarianceComponents.from_bootstrap(np.arange(4.0), 0.3, 0.5, 72)
    assert found.image_variance == pytest.approx(evaluate(method[1][0], S=4, Vm=0.3, V1=0.5))


@pytest.mark.parametrize("seeds", [3, 5, 7, 12])
def test_the_part_of_the_seeds_with_folds(method, seeds):
    fold = np.arange(seeds) % 5
    values = np.random.default_rng(0).normal(size=seeds)
    found = VarianceComponents.from_bootstrap(values, 0.0, 0.0, 72, fold, 5)
    pairs = (np.bincount(fold) ** 2).sum()
    between = [(a - b) ** 2 / 2 for a, i in zip(values, fold, strict=True)
               for b, j in zip(values, fold, strict=True) if i != j]  # fmt: skip
    first, second = method[1][1].split(" + ")
    expected = evaluate(first, S=seeds) * values.var(ddof=1)
    expected += (evaluate(second) + evaluate(method[1][2], P=pairs, S=seeds)) * np.mean(between)
    assert found.of_seeds == pytest.approx(expected)


def test_the_level_of_the_co_outcome(method):
    assert evaluate(method[1][3]) == CO_OUTCOME.level
    assert f"{CO_OUTCOME.name}: VOC AP at IoU 0.5" in method[0]


def test_simultaneous_intervals(method):
    intervals = len(make_report()["secondary"])
    assert evaluate(method[1][4]) == pytest.approx(secondary.sidak(LEVEL, intervals))
    assert f"{secondary._RESAMPLES} resamples" in method[0]


def test_the_regression_coefficient(method):
    gammas, maps = np.array([0.0, 1.0, 3.0]), np.array([0.71, 0.74, 0.70])
    expected = evaluate(method[1][5], g=gammas, m=maps)
    assert least_squares_weights(gammas) @ maps == pytest.approx(expected)
    assert np.polyfit(gammas, maps, 1)[0] == pytest.approx(expected)


def test_what_trials_search(method):
    base = TUNED.config(Config(learning_rate=0.004, confidence_gain=3.0), 0)
    distributions = ask(TUNED, base, []).distributions
    shown = re.findall(r"(\w+) from ([\d.]+) to ([\d.]+)( times the setting)?", method[0])
    assert {name for name, *_ in shown} == distributions.keys()
    for name, low, high, times in shown:
        scale = getattr(base, name) if times else 1
        limits = (distributions[name].low, distributions[name].high)
        assert limits == pytest.approx((float(low) * scale, float(high) * scale), rel=1e-3)


@pytest.mark.parametrize(("earlier", "stopped"), [(2, False), (3, True)])
def test_from_which_trial_on_one_can_be_stopped(method, earlier, stopped):
    assert "From the fourth trial on" in method[0]
    base, done = TUNED.config(Config(), 0), []
    for _ in range(earlier):
        done.append(Trial(ask(TUNED, base, done).params, "complete", {1: 0.5}))
    trial = ask(TUNED, base, done)
    assert isinstance(trial.study.pruner, MedianPruner)
    trial.report(0.4, 1)
    assert trial.should_prune() == stopped


def test_levels_and_futility(method):
    assert f"error of {LEVEL:.0%} is spread" in method[0]
    assert f"with a probability below {LEAST_HOPE:.0%}" in method[0]


def test_the_interval_is_named(method):
    """See `VarianceComponents.half_width`, and its test by hand."""
    assert "(Cochran and Cox)" in method[0]
    assert "Satterthwaite" not in method[0]
