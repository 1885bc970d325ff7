"""Carries out the trials of tuned arms, each in a separate process."""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from utils.files.lock import locked
from yolo4.compare.arms import Arm
from yolo4.compare.running.jobs import Executor, Job
from yolo4.compare.study import Plan
from yolo4.compare.study_files import Study
from yolo4.compare.tuning import Trial, chosen_trial, ranges_of, trials_of
from yolo4.config import Config
from yolo4.environment.streams import prepare_streams
from yolo4.quiet import quiet_start

if TYPE_CHECKING:
    import optuna

Chosen = Mapping[str, Mapping[str, float]]
"""By arm, the settings that its trials have chosen."""

# Trials have seeds that no run of a study has; those with one number share theirs over the arms.
_FIRST_SEED = 500_000_000
_TRIALS_BEFORE_PRUNING = 3


def tune(plan: Plan, executor: Executor) -> Chosen:
    """Carry out the unfinished trials of the arms that are tuned.

    Raises:
        UserError: the data or the settings do not allow training, or an arm has nothing to choose
            from.
    """
    tuned = [arm for arm in plan.arms if arm.protocol == "tuned"]
    chains = [_jobs(plan, arm) for arm in tuned]
    for ended in executor.carry_out(plan.study.folder, chains, _announce):
        if ended.killed:
            tqdm.write(f"error: {ended.job.name}: the process was killed")
    chosen = {arm.name: chosen_trial(plan.study, arm, plan.trials) for arm in tuned}
    for name, trial in chosen.items():
        print(f"\nchosen for {name}: {_words(trial.settings)} (validation mAP {trial.val_map:.3f})")
    return {name: trial.settings for name, trial in chosen.items()}


def _jobs(plan: Plan, arm: Arm) -> Iterator[Job]:
    """The unfinished trials of an arm, each of which builds on those before it."""
    for number in range(plan.trials):
        if len(trials_of(plan.study, arm, plan.trials)) != number:
            continue  # it has finished, or the trials before it have not
        file = plan.study.trial_file(arm.folder, number).relative_to(plan.study.folder)
        yield Job(
            f"trial {number + 1} of {plan.trials}: {arm.name}",
            run_trial,
            (arm, plan.shared, number),
            plan.shared.epochs,
            folder=file.with_suffix("").as_posix(),
            result=file.as_posix(),
            reads=(f"{file.parent.as_posix()}/*.json",),
        )


def _announce(job: Job, place: str) -> None:
    tqdm.write(f"\n{job.name}{place}")


def run_trial(folder: Path, arm: Arm, shared: Config, number: int) -> None:
    """Train with the settings that the sampler suggests, and keep the validation mAP.

    Args:
        folder: the study's folder.
        arm: the trial's arm.
        shared: the settings of all runs.
        number: of the trial, from 0. The first has the settings of the study.

    Raises:
        UserError: the data or the settings do not allow training.
    """
    prepare_streams()
    study = Study(folder)
    file = study.trial_file(arm.folder, number)
    run_folder = file.with_suffix("")
    shutil.rmtree(run_folder, ignore_errors=True)  # of a trial that was interrupted
    with quiet_start():
        from yolo4.compare.running.pruning import ReportToTrial
        from yolo4.train.callbacks.finite import NonFiniteLossError
        from yolo4.train.loop import start_run
        from yolo4.train.setup import prepare
    base = dataclasses.replace(arm.config(shared, _FIRST_SEED + number), run_dir=str(run_folder))
    trial = ask(arm, base, trials_of(study, arm, number))
    print(_words(trial.params))
    report = ReportToTrial(trial)
    run_folder.mkdir(parents=True)
    with locked(run_folder):
        try:
            setup = prepare(dataclasses.replace(base, **trial.params))
            start_run(setup, lambda setup: [report])
            state = "pruned" if report.is_pruned else "complete"
        except NonFiniteLossError as error:
            print(f"failed: {error}")
            state = "failed"
    Trial(trial.params, state, report.values).save(file)
    shutil.rmtree(run_folder)


def ask(arm: Arm, base: Config, earlier: Sequence[Trial]) -> "optuna.Trial":
    """The next trial of an arm, with the settings to try.

    Args:
        arm: the arm.
        base: its settings, which are those of the first trial.
        earlier: the trials before it.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=len(earlier)),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=_TRIALS_BEFORE_PRUNING),
    )
    distributions = _distributions(arm, base)
    states = {"complete": "COMPLETE", "pruned": "PRUNED", "failed": "FAIL"}
    for trial in earlier:
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState[states[trial.state]],
                value=trial.val_map if trial.state != "failed" else None,
                params=dict(trial.settings),
                distributions=distributions,
                intermediate_values=dict(trial.reports),
            )
        )
    if not earlier:
        study.enqueue_trial({name: getattr(base, name) for name in distributions})
    return study.ask(distributions)


def _distributions(arm: Arm, base: Config) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import FloatDistribution

    found = {}
    for name, each in ranges_of(arm).items():
        scale = getattr(base, name) if each.relative else 1.0
        found[name] = FloatDistribution(each.low * scale, each.high * scale, log=each.relative)
    return found


def _words(settings: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in settings.items())
