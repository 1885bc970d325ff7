"""The command behind `compare.py`. Imports nothing slow before the arguments are understood."""

from collections.abc import Mapping, Sequence
from typing import Any

from yolo4.cli import parse
from yolo4.compare.options import CompareOptions
from yolo4.options import from_mapping


def compare_command(
    settings: Mapping[str, Any], description: str, argv: Sequence[str] | None = None
) -> None:
    """Compare confidence losses as `settings` and the command-line flags say.

    Args:
        settings: values of `CompareOptions` where no flag is given.
        description: for `--help`.
        argv: the arguments; `sys.argv[1:]` when None.

    Raises:
        UserError: something in the arguments, the data or the study's folder is wrong.
    """
    options = parse(from_mapping(CompareOptions, settings, "CONFIG"), description, argv)
    from yolo4.compare.report.outcome import write_outcome
    from yolo4.compare.study import begin, carry_out, reopen

    if options.report_only is None:
        plan = begin(options)
        carry_out(plan)
    else:
        plan = reopen(options.report_only)
    write_outcome(plan)
