"""Carries out a study: trains and measures what is unfinished."""

from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

from utils.printable import printable
from yolo4.compare.arms import Arm
from yolo4.compare.running.jobs import Ended, Executor, InTurn, Job
from yolo4.compare.running.trials import Chosen, tune
from yolo4.compare.running.worker import train_and_measure
from yolo4.compare.study import Plan
from yolo4.compare.study_files import StudyRun


def carry_out(plan: Plan, executor: Executor | None = None) -> Plan:
    """Do the unfinished runs, each in a separate process.

    If a training diverges, the study records that and continues with the other runs.

    Args:
        plan: the study.
        executor: has the runs done; None: one after another.

    Returns:
        The part that was carried out: with `until_decided`, up to the look that decided.

    Raises:
        UserError: the data or the settings do not allow training.
    """
    executor = executor or InTurn()
    chosen = tune(plan, executor)
    course = _Course(plan, executor.width)
    for look in plan.design.looks if plan.until_decided else ():
        if look < len(plan.seeds):
            _carry_out(plan.first(look), chosen, executor, course)
            if _decides(plan.first(look)):
                return plan.first(look)
    _carry_out(plan, chosen, executor, course)
    return plan


def _decides(part: Plan) -> bool:
    """Print the verdicts at a look, and return whether it decides."""
    # SciPy takes a second to import, for which a mistake in the data need not wait.
    from yolo4.compare.judging import is_decided, judge_stored

    contrasts = judge_stored(part)
    print(f"\nafter {len(part.seeds)} seeds:", *(c.sentence for c in contrasts), sep="\n")
    return is_decided(part, contrasts)


def _carry_out(part: Plan, chosen: Chosen, executor: Executor, course: "_Course") -> None:
    unfinished = [(arm, seed, run) for arm, seed, run in part.runs() if not _is_known(run)]
    chains = [
        iter([_job(part, arm, seed, run, chosen.get(arm.name, {}))])
        for arm, seed, run in unfinished
    ]
    for ended in executor.carry_out(part.study.folder, chains, course.begun):
        course.ended(ended)


def _is_known(run: StudyRun) -> bool:
    return run.is_done or run.failure is not None


def _name(arm: Arm, seed: int) -> str:
    return f"{arm.name}, seed {seed}"


def _job(plan: Plan, arm: Arm, seed: int, run: StudyRun, settings: Mapping[str, Any]) -> Job:
    folder = run.folder.relative_to(plan.study.folder).as_posix()
    images = plan.images_file(seed).relative_to(plan.study.folder).as_posix()
    return Job(
        _name(arm, seed),
        train_and_measure,
        (arm, plan.arms[0], plan.shared, seed, plan.design.folds, plan.measure, dict(settings)),
        plan.shared.epochs,
        folder=folder,
        result=folder,
        reads=(images, f"runs/*_seed{seed}/config.json"),
    )


class _Course:
    """How far a study has come; says so when a run begins, and if one ends without a result."""

    def __init__(self, plan: Plan, width: int) -> None:
        self._runs = {_name(arm, seed): run for arm, seed, run in plan.runs()}
        self._numbers = {name: number for number, name in enumerate(self._runs, start=1)}
        self._left = {name for name, run in self._runs.items() if not _is_known(run)}
        self._at_most = "at most " if plan.until_decided else ""
        self._width = width
        self._durations: list[float] = []

    def begun(self, job: Job, place: str) -> None:
        tqdm.write(
            f"\nrun {self._numbers[job.name]} of {self._at_most}{len(self._runs)}: "
            f"{job.name}{place}{self._time_left()}"
        )

    def ended(self, ended: Ended) -> None:
        name = ended.job.name
        self._left.discard(name)
        if ended.killed:
            tqdm.write(
                f"error: {name}: the process was killed; too little memory? "
                "The same command tries this run again"
            )
            return
        self._durations.append(ended.seconds)
        if failure := self._runs[name].failure:
            tqdm.write(printable(f"failed: {name}: {failure}"))

    def _time_left(self) -> str:
        if not self._durations:
            return ""
        seconds = len(self._left) * sum(self._durations) / len(self._durations)
        minutes = seconds / min(self._width, len(self._left)) / 60
        return f", {self._at_most or 'about '}{minutes:.0f} min left"
