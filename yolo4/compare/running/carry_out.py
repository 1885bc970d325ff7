"""Carries out a study: trains and measures what is unfinished, run by run."""

import time

from utils.printable import printable
from utils.process.children import ChildKilledError, call_in_child
from yolo4.compare.running.worker import train_and_measure
from yolo4.compare.study import Plan


def carry_out(plan: Plan) -> None:
    """Do the unfinished runs one after another, each in a separate process.

    If a training diverges, the study records that and continues with the next run.

    Raises:
        UserError: the data or the settings do not allow training.
    """
    runs = plan.runs()
    durations: list[float] = []
    for number, (arm, seed, run) in enumerate(runs, start=1):
        if run.is_done or run.failure is not None:
            continue
        left = sum(not (other.is_done or other.failure) for _, _, other in runs[number - 1 :])
        print(
            f"\nrun {number} of {len(runs)}: {arm.name}, seed {seed}{_time_left(durations, left)}"
        )
        start = time.perf_counter()
        try:
            call_in_child(train_and_measure, plan.study.folder, arm, plan.shared, seed)
        except ChildKilledError:
            print(
                f"error: {arm.name}, seed {seed}: the process was killed; too little memory? "
                "The same command tries this run again"
            )
            continue
        if run.failure:
            print(printable(f"failed: {arm.name}, seed {seed}: {run.failure}"))
        durations.append(time.perf_counter() - start)


def _time_left(durations: list[float], left: int) -> str:
    if not durations:
        return ""
    minutes = left * sum(durations) / len(durations) / 60
    return f", about {minutes:.0f} min left"
