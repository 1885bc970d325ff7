"""The command behind `compare.py`."""

from yolo4.compare.options import CompareOptions
from yolo4.compare.report.outcome import write_outcome
from yolo4.compare.study import begin, carry_out, reopen


def compare(options: CompareOptions) -> None:
    """Compare confidence losses as the options say.

    Raises:
        UserError: something in the arguments, the data or the study's folder is wrong.
    """
    if options.report_only is None:
        plan = begin(options)
        carry_out(plan)
    else:
        plan = reopen(options.report_only)
    write_outcome(plan)
