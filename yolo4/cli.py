"""From the command line to options, then to the command and its exit status."""

import contextlib
import dataclasses
import pkgutil
import sys
import typing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import tyro

from utils.errors import UserError
from utils.printable import printable
from utils.process.signals import answered_signals, end_interrupted
from yolo4.environment.failures import describe_failure
from yolo4.environment.streams import discard_unwritable, prepare_streams
from yolo4.options import RENAMED, flag, option_fields
from yolo4.quiet import quiet_start

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Options = TypeVar("Options", bound="DataclassInstance")


def run_command(
    target: str,
    default: "DataclassInstance | Callable[[], DataclassInstance]",
    description: str,
    argv: Sequence[str] | None = None,
    program: str | None = None,
) -> NoReturn:
    """Parse the command line, import the command, run it, and exit with the status it returns.

    The command is imported after the command line is parsed, so that `--help` and usage errors
    load neither Keras nor OpenCV.

    Args:
        target: the command as "package.module:function". The function takes the options and
            returns an exit status or None, which is status 0.
        default: options that hold the values of the flags not given, or a function that makes
            them (an error that it raises is reported like the command's).
        description: what the command does, for `--help`.
        argv: the arguments; `sys.argv[1:]` if None.
        program: how a person calls the command, for `--help`; the script's name if None.
    """
    prepare_streams()
    with clean_exit(), answered_signals():
        options = parse(default() if callable(default) else default, description, argv, program)
        with quiet_start():
            # First, so that the error for a missing system library does not wait for TensorFlow.
            import cv2  # noqa: F401

            command = pkgutil.resolve_name(target)
        sys.exit(command(options))


def parse(
    default: Options,
    description: str,
    argv: Sequence[str] | None = None,
    program: str | None = None,
) -> Options:
    """Read command-line flags over the values of `default`.

    Args:
        default: an instance of a dataclass whose fields were made by `yolo4.options.option`.
        description: what the command does, for `--help`.
        argv: the arguments; `sys.argv[1:]` if None.
        program: how a person calls the command, for `--help`; the script's name if None.

    Returns:
        A new instance. If its type has a field `given`, that is the names of the options whose
        flags are in `argv`. `--help` and usage errors end the program (status 0 and 2).

    Raises:
        UserError: a flag has been renamed, or a value is not allowed.
    """
    argv = sys.argv[1:] if argv is None else argv
    named = _named(argv)
    _refuse_repeated(named)
    names = {*named, *map(_without_no, named)}
    _refuse_renamed(names, default)
    grouped = tyro.cli(
        _grouped_type(default),
        args=argv,
        description=description,
        prog=program,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff),
    )
    values = {f.name: getattr(default, f.name) for f in dataclasses.fields(default)}
    if "given" in values:
        values["given"] = frozenset(names & set(values))
    for group in dataclasses.fields(grouped):
        part = getattr(grouped, group.name)
        values |= {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    options = type(default)(**values)
    _refuse_no_values(options, names)
    return options


def _named(argv: Sequence[str]) -> list[str]:
    """What flags are in `argv`: `--a-b 1` and `--a-b=1` are `a_b`, `--no-a-b` is `no_a_b`."""
    return [word[2:].partition("=")[0].replace("-", "_") for word in argv if word[:2] == "--"]


def _without_no(name: str) -> str:
    return name.removeprefix("no_")


def _refuse_repeated(named: Sequence[str]) -> None:
    """Refuse a flag that is given twice, since the first would be forgotten without a word."""
    for name, count in Counter(map(_without_no, named)).items():
        if count > 1:
            raise UserError(
                f"{flag(name)} is given {count} times; expected it once, with all its values "
                "after it"
            )


def _refuse_no_values(options: Any, names: set[str]) -> None:
    """Refuse a flag without a value, as an unset variable of the shell leaves it."""
    for name in names:
        if getattr(options, name, None) == ():
            raise UserError(f"{flag(name)} has no value; is a variable of the shell unset?")


def _refuse_renamed(names: set[str], default: Any) -> None:
    known = {field.name for field in option_fields(default)}
    for old in sorted(names - known):
        if RENAMED.get(old) in known:
            raise UserError(f"{flag(old)} has been renamed: use {flag(RENAMED[old])}")


def _grouped_type(default: Any) -> type:
    """The flat options as one nested dataclass per group, for which tyro prints a box each."""
    hints = typing.get_type_hints(type(default))
    groups: dict[str, list] = {}
    for field in option_fields(default):
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


@contextlib.contextmanager
def clean_exit() -> Iterator[None]:
    """Within the block, expected failures end the program with one line instead of a traceback.

    A `UserError` and a failure of the machine (`describe_failure`) give status 2, Ctrl-C gives 130,
    SIGTERM 143.
    If nobody reads the output any more (`| head`), the program ends silently with status 1.
    """
    try:
        try:
            yield
        except UserError as error:
            refuse(str(error))
        except KeyboardInterrupt as interrupt:
            end_interrupted(interrupt)
        except BrokenPipeError:
            raise
        except Exception as error:
            message = describe_failure(error)
            if message is None:
                raise
            refuse(message)
    except BrokenPipeError:
        sys.exit(1)
    finally:
        discard_unwritable()


def refuse(message: str) -> NoReturn:
    """Print an error in one line and exit with status 2."""
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(2)
