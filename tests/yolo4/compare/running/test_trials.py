"""Trials: what is suggested, what is pruned, and which are carried out."""

import dataclasses

import optuna
import pytest

from tests.helpers.study_folder import make_plan
from utils.errors import UserError
from utils.process.children import ChildKilledError
from yolo4.compare.arms import parse_arms
from yolo4.compare.running import jobs
from yolo4.compare.running.jobs import InTurn
from yolo4.compare.running.pruning import ReportToTrial
from yolo4.compare.running.trials import ask, run_trial, tune
from yolo4.compare.study_files import Study
from yolo4.compare.tuning import Trial, ranges_of
from yolo4.config import Config

pytestmark = pytest.mark.quick

FOCAL = parse_arms(("bce", "focal"), "tuned")[1]
BASE = FOCAL.config(Config(), 0)


def finished(count, val_map=0.5):
    """Trials whose mAP rises to `val_map` in the second of two measurements."""
    found = []
    for _ in range(count):
        settings = ask(FOCAL, BASE, found).params
        found.append(Trial(settings, "complete", {1: val_map / 2, 2: val_map}))
    return found


def test_the_first_trial_has_the_settings_of_the_study():
    expected = {name: getattr(BASE, name) for name in ranges_of(FOCAL)}
    assert ask(FOCAL, BASE, []).params == expected


def test_later_trials_differ_within_the_ranges():
    suggested = [trial.settings for trial in finished(6)]
    assert len({tuple(settings.items()) for settings in suggested}) == 6
    for settings in suggested:
        assert BASE.learning_rate / 4 <= settings["learning_rate"] <= 4 * BASE.learning_rate
        assert 1 / 8 <= settings["confidence_gain"] <= 8
        assert 0.05 <= settings["focal_alpha"] <= 0.95
        assert 0.25 <= settings["focal_gamma"] <= 4


def test_a_trial_that_was_interrupted_is_asked_for_again():
    earlier = finished(3)
    assert ask(FOCAL, BASE, earlier).params == ask(FOCAL, BASE, earlier).params


def test_failed_and_pruned_trials_are_known_to_the_sampler():
    earlier = [Trial(finished(1)[0].settings, state, {}) for state in ("failed", "pruned")]
    trial = ask(FOCAL, BASE, earlier)
    states = [each.state for each in trial.study.get_trials()]
    assert states[:2] == [optuna.trial.TrialState.FAIL, optuna.trial.TrialState.PRUNED]


class Model:
    stop_training = False


def report(maps, earlier):
    """Report mAPs after epochs 1, 2, ... to the next trial, until it is pruned."""
    callback = ReportToTrial(ask(FOCAL, BASE, earlier))
    callback.set_model(Model())
    for epoch, value in enumerate(maps):
        callback.on_epoch_end(epoch, {"loss": 1.0})
        if not callback.model.stop_training:
            callback.on_epoch_end(epoch, {"map50": value})
    return callback


@pytest.mark.parametrize(
    ("maps", "earlier", "pruned"),
    [
        ((0.3, 0.6), 4, False),
        ((0.1, 0.9), 4, True),  # below the median of 0.25 after the first epoch
        ((0.3, 0.1), 4, True),  # 0.3 stays its best, below the median of 0.5
        ((0.0, 0.0), 2, False),  # too few to compare with
    ],
)
def test_a_trial_below_the_median_is_pruned(maps, earlier, pruned, capsys):
    callback = report(maps, finished(earlier))
    assert callback.is_pruned == callback.model.stop_training == pruned
    assert ("pruned" in capsys.readouterr().out) == pruned


def test_the_best_map_so_far_counts():
    assert report((0.4, 0.3, 0.5), []).values == {1: 0.4, 2: 0.4, 3: 0.5}


@pytest.fixture
def carried_out(monkeypatch):
    """Replaces the trainings: lists the trials; the second arm does better with each."""
    done = []

    def run(function, folder, arm, shared, number):
        assert function is run_trial
        done.append((arm.name, number))
        if done == [("bce:protocol=tuned", 0)]:
            raise ChildKilledError
        file = Study(folder).trial_file(arm.folder, number)
        file.parent.mkdir(parents=True, exist_ok=True)
        Trial({"confidence_gain": 1.0 + number}, "complete", {1: number / 10}).save(file)

    monkeypatch.setattr(jobs, "call_in_child", run)
    return done


def test_every_tuned_arm_gets_the_same_trials_and_unfinished_ones_are_repeated(
    tmp_path, carried_out
):
    plan = dataclasses.replace(make_plan(tmp_path), arms=parse_arms(("bce", "focal"), "tuned"))
    plan = dataclasses.replace(plan, trials=2)
    bce, focal = (arm.name for arm in plan.arms)
    with pytest.raises(UserError, match="0 of its 2 trials have finished"):
        tune(plan, InTurn())
    assert carried_out == [(bce, 0), (focal, 0), (focal, 1)], "a trial builds on those before it"
    assert tune(plan, InTurn()) == {name: {"confidence_gain": 2.0} for name in (bce, focal)}
    assert carried_out[3:] == [(bce, 0), (bce, 1)]


def test_a_study_without_tuned_arms_has_no_trials(tmp_path, carried_out):
    assert tune(dataclasses.replace(make_plan(tmp_path), trials=5), InTurn()) == {}
    assert carried_out == []
