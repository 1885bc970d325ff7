"""The command behind `compare.py`."""

from typing import Any

from yolo4.compare.options import CompareOptions
from yolo4.compare.report.outcome import write_outcome
from yolo4.compare.study import carry_out, continue_or_start, open_study


def compare(options: CompareOptions) -> None:
    """Compare confidence losses, write the report and print the verdict.

    Raises:
        UserError: a mistake in the options, the data or the study's folder.
    """
    compare_losses(options)


def compare_losses(options: CompareOptions) -> dict[str, Any]:
    """Train every arm with every seed and compare them on test images.

    Each run is trained in a separate process. Runs that have finished are not repeated. With
    `options.report_only`, nothing is trained. The program that calls this must guard its own start
    with `if __name__ == "__main__"`.

    Returns:
        All numbers of the report, as in `report.json`.

    Raises:
        UserError: a mistake in the options, the data or the study's folder.
    """
    if options.report_only is None:
        plan = continue_or_start(options)
        carry_out(plan)
    else:
        plan = open_study(options.report_only)
    return write_outcome(plan)
