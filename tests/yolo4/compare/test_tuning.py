import sys

import pytest

from tests.helpers.fake_packages import only_packages
from tests.helpers.study_folder import make_plan
from utils.errors import UserError
from yolo4.compare.arms import parse_arms
from yolo4.compare.options import CompareOptions
from yolo4.compare.study import continue_or_start
from yolo4.compare.tuning import Trial, chosen_trial, ranges_of, require_optuna, trials_of

pytestmark = pytest.mark.quick


def trial(val_map, state="complete", gain=1.0):
    return Trial({"confidence_gain": gain}, state, {2: val_map / 2, 4: val_map})


@pytest.fixture
def study(tmp_path):
    return make_plan(tmp_path).study


ARM = parse_arms(("bce", "focal"), "tuned")[1]


def save(study, trials):
    for number, each in enumerate(trials):
        file = study.trial_file(ARM.folder, number)
        file.parent.mkdir(parents=True, exist_ok=True)
        each.save(file)


def test_trials_come_back_up_to_the_first_that_is_missing(study):
    stored = [trial(0.5), trial(0.25, "pruned"), Trial({}, "failed", {})]
    save(study, stored)
    assert trials_of(study, ARM, 9) == stored
    assert trials_of(study, ARM, 2) == stored[:2]
    study.trial_file(ARM.folder, 1).unlink()
    assert trials_of(study, ARM, 9) == stored[:1]


def test_the_best_trial_that_came_to_its_end_is_chosen(study):
    save(study, [trial(0.5), trial(0.75, gain=2), trial(0.9, "pruned"), trial(0.75, gain=3)])
    assert chosen_trial(study, ARM, 4).settings == {"confidence_gain": 2}


@pytest.mark.parametrize(
    ("trials", "message"),
    [
        ([trial(0.5)], "1 of its 2 trials have finished; the same command goes on"),
        ([trial(0.5, "pruned"), Trial({}, "failed", {})], "none of its 2 trials came to its end"),
    ],
)
def test_without_enough_trials_nothing_is_chosen(study, trials, message):
    save(study, trials)
    with pytest.raises(UserError, match=message):
        chosen_trial(study, ARM, 2)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"settings": 1, "state": "complete", "reports": {}}',
        '{"settings": {}, "state": "x", "reports": {}}',
        '{"settings": {}, "state": [], "reports": {}}',
    ],
)
def test_a_damaged_trial_is_named(tmp_path, content):
    (tmp_path / "trial.json").write_text(content)
    with pytest.raises(UserError, match=r"trial\.json"):
        Trial.load(tmp_path / "trial.json")


def test_every_arm_searches_its_own_settings():
    bce, focal, ohem = parse_arms(("bce", "focal", "ohem"), "tuned")
    shared = {"learning_rate", "confidence_gain"}
    assert ranges_of(bce).keys() == ranges_of(ohem).keys() == shared
    assert ranges_of(focal).keys() == shared | {"focal_alpha", "focal_gamma"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"arms": ("bce", "focal:focal_gamma=1")}, "choose --focal-gamma; do not set it"),
        ({"folds": 3}, "--folds: the trials of a tuned arm would see images"),
        ({"protocol": "as_is", "given": frozenset({"trials"})}, "--trials: no arm is tuned"),
    ],
)
def test_a_study_that_cannot_be_tuned_is_refused(tmp_path, options, message):
    values = {"protocol": "tuned", "output": str(tmp_path / "study")} | options
    with pytest.raises(UserError, match=message):
        continue_or_start(CompareOptions(**values))
    assert not (tmp_path / "study").exists()


def test_without_optuna_the_line_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    only_packages(tmp_path / "site-packages", {}, monkeypatch)
    with pytest.raises(UserError, match=r"pip install -r requirements-tuning\.txt"):
        require_optuna()
