"""Carries out a study: trains and measures what is unfinished, run by run."""

import time

from utils.printable import printable
from utils.process.children import ChildKilledError, call_in_child
from yolo4.compare.running.trials import Chosen, tune
from yolo4.compare.running.worker import train_and_measure
from yolo4.compare.study import Plan


def carry_out(plan: Plan) -> Plan:
    """Do the unfinished runs one after another, each in a separate process.

    If a training diverges, the study records that and continues with the next run.

    Returns:
        The part that was carried out: with `until_decided`, up to the look that decided.

    Raises:
        UserError: the data or the settings do not allow training.
    """
    chosen = tune(plan)
    durations: list[float] = []
    for look in plan.design.looks if plan.until_decided else ():
        if look < len(plan.seeds):
            _carry_out(plan.first(look), plan, chosen, durations)
            if _decides(plan.first(look)):
                return plan.first(look)
    _carry_out(plan, plan, chosen, durations)
    return plan


def _decides(part: Plan) -> bool:
    """Print the verdicts at a look, and return whether it decides."""
    # SciPy takes a second to import, for which a mistake in the data need not wait.
    from yolo4.compare.judging import is_decided, judge_stored

    contrasts = judge_stored(part)
    print(f"\nafter {len(part.seeds)} seeds:", *(c.sentence for c in contrasts), sep="\n")
    return is_decided(part, contrasts)


def _carry_out(part: Plan, whole: Plan, chosen: Chosen, durations: list[float]) -> None:
    runs, most = part.runs(), whole.runs()
    for number, (arm, seed, run) in enumerate(runs, start=1):
        if run.is_done or run.failure is not None:
            continue
        left = sum(not (other.is_done or other.failure) for _, _, other in most[number - 1 :])
        at_most = "at most " if whole.until_decided else ""
        print(
            f"\nrun {number} of {at_most}{len(most)}: {arm.name}, seed {seed}"
            f"{_time_left(durations, left, at_most or 'about ')}"
        )
        start = time.perf_counter()
        try:
            folder, folds = part.study.folder, part.design.folds
            settings = chosen.get(arm.name, {})
            call_in_child(train_and_measure, folder, arm, part.shared, seed, folds, settings)
        except ChildKilledError:
            print(
                f"error: {arm.name}, seed {seed}: the process was killed; too little memory? "
                "The same command tries this run again"
            )
            continue
        if run.failure:
            print(printable(f"failed: {arm.name}, seed {seed}: {run.failure}"))
        durations.append(time.perf_counter() - start)


def _time_left(durations: list[float], left: int, about: str) -> str:
    if not durations:
        return ""
    minutes = left * sum(durations) / len(durations) / 60
    return f", {about}{minutes:.0f} min left"
