"""The command behind `compare.py`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from utils.errors import UserError
from utils.files.lock import locked
from utils.process.signals import explained_interruption
from yolo4.compare.options import CompareOptions
from yolo4.compare.planning.declaration import changes_of
from yolo4.compare.planning.purpose import purpose
from yolo4.compare.running.carry_out import carry_out
from yolo4.compare.running.jobs import Executor, InTurn
from yolo4.compare.study import Plan, continue_or_start, open_study
from yolo4.compare.study_files import MeasuredImages
from yolo4.environment.devices import Cluster


def compare(options: CompareOptions) -> None:
    """Compare confidence losses, write the report and print the verdict.

    Raises:
        UserError: a mistake in the options, the data or the study's folder.
    """
    compare_losses(options)


def compare_losses(options: CompareOptions) -> dict[str, Any]:
    """Train every arm with every seed and compare them on test images.

    Each run is trained in a separate process. Runs that have finished are not repeated. With
    `options.report_only`, nothing is trained. With `options.cluster`, a cluster does several runs
    at once. The program that calls this must guard its own start
    with `if __name__ == "__main__"`.

    Returns:
        All numbers of the report, as in `report.json`.

    Raises:
        UserError: a mistake in the options, the data or the study's folder, or another process
            carries out this study.
        KeyboardInterrupt: explains how to continue.
    """
    if options.report_only is not None:
        return _write_outcome(_carried_out(open_study(options.report_only)))
    _refuse_workers()
    if options.cluster:
        from yolo4.compare.cluster.connect import require_ray

        require_ray()
    otherwise = "name a folder that can be written with --output"
    with (
        locked(Path(options.output), otherwise=otherwise),
        explained_interruption(_how_to_go_on),
    ):
        plan = continue_or_start(options)
        print("", *_announcement(plan), sep="\n")
        with _executor(options, plan) as executor:
            plan = carry_out(plan, executor)
        return _write_outcome(plan)


def _refuse_workers() -> None:
    workers = Cluster.of_environment().workers
    if workers > 1:
        raise UserError(
            f"TF_CONFIG names {workers} workers, which train one run together; unset it, and have "
            "the runs of a comparison done on many machines with --cluster"
        )


@contextmanager
def _executor(options: CompareOptions, plan: Plan) -> Iterator[Executor]:
    """Has the runs done: one after another, or by a cluster."""
    if options.cluster is None:
        yield InTurn()
        return
    from yolo4.compare.cluster.connect import cluster_executor

    with cluster_executor(options, plan) as executor:
        yield executor


def _announcement(plan: Plan) -> list[str]:
    """What a study says before its first run: its purpose, its cost, and what it can find."""
    from yolo4.compare.planning.forecast import forecast  # SciPy takes a second to import

    split = MeasuredImages.load(plan.study.images_file).split
    return [*purpose(plan.arms, split, plan.measure), *changes_of(plan.declared), *forecast(plan)]


def _carried_out(plan: Plan) -> Plan:
    """What has been carried out of a study; one that may end early lacks no later seeds."""
    return plan.begun() if plan.until_decided else plan


def _how_to_go_on() -> str:
    return "\nstopped; the same command continues from what was saved last"


def _write_outcome(plan: Plan) -> dict[str, Any]:
    # Its plots take a second to import, for which a mistake in the data need not wait.
    from yolo4.compare.report.outcome import write_outcome

    return write_outcome(plan)
