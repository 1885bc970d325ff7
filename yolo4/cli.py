"""From the command line to options and back to an exit status. Imports nothing heavy."""

import dataclasses
import os
import sys
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any, NoReturn, TypeVar

import tyro

from utils.errors import UserError
from utils.installed import missing_system_library

Options = TypeVar("Options")


def parse(default: Options, description: str, argv: Sequence[str] | None = None) -> Options:
    """Read command-line flags over the values of `default`.

    Args:
        default: an instance of a dataclass whose fields were made by `yolo4.options.option`.
        description: what the command does, for `--help`.
        argv: the arguments; `sys.argv[1:]` when None.

    Returns:
        A new instance. `--help` and usage errors leave the program (status 0 and 2).
    """
    grouped = tyro.cli(
        _grouped_type(default),
        args=argv,
        description=description,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff),
    )
    values = {f.name: getattr(default, f.name) for f in dataclasses.fields(default)}
    for group in dataclasses.fields(grouped):
        part = getattr(grouped, group.name)
        values |= {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    return type(default)(**values)


def _grouped_type(default: Any) -> type:
    """The flat options as one nested dataclass per group: tyro then prints a box for each."""
    hints = typing.get_type_hints(type(default))
    groups: dict[str, list] = {}
    for field in dataclasses.fields(default):
        if field.metadata["group"] is None:
            continue
        argument = Annotated[hints[field.name], tyro.conf.arg(help=field.metadata["help"])]
        if field.metadata["positional"]:
            argument = tyro.conf.Positional[argument]
        member = (field.name, argument, dataclasses.field(default=getattr(default, field.name)))
        groups.setdefault(field.metadata["group"], []).append(member)
    parts = []
    for name, members in groups.items():
        part = dataclasses.make_dataclass(name, members)
        part.__doc__ = ""
        parts.append((name, part, dataclasses.field(default_factory=part)))
    return dataclasses.make_dataclass("Options", parts)


def run_command(command: Callable[[], object]) -> None:
    """Run a command and leave the program with the status it returns, 0 if that is no number.

    A `UserError` and a system library that OpenCV does not find are printed as one line on standard
    error, with status 2; Ctrl-C gives 130. If nobody reads the output any more (`| head`), the
    program ends silently, with status 1.
    """
    # A line at a time, so that a log file can be followed while it grows.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        status = command()
        sys.exit(status if isinstance(status, int) else 0)
    except UserError as error:
        _refuse(str(error))
    except ImportError as error:
        message = missing_system_library(error)
        if message is None:
            raise
        _refuse(message)
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Python itself would write what is left, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _refuse(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)
