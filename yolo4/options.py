"""Options: dataclass fields with a help text, a group and allowed values."""

import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from utils.errors import UserError
from utils.printable import brief

# Former names of options. Each is refused with a line that names its new name.
RENAMED = {"iou_threshold": "nms_threshold", "seeds": "max_seeds"}

_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "True or False",
    types.NoneType: "None",
}


def option(
    default: Any,
    help: str,
    group: str | None = "options",
    low: float | None = None,
    high: float | None = None,
    positional: bool = False,
) -> Any:
    """A dataclass field of a command's options.

    Args:
        default: the value if none is given.
        help: one line for `--help` and the table of settings, with the unit.
        group: the heading in `--help`; None: the option has no flag.
        low: smallest allowed number.
        high: largest allowed number.
        positional: a positional argument instead of a flag.
    """
    metadata = {"help": help, "group": group, "low": low, "high": high, "positional": positional}
    return dataclasses.field(default=default, metadata=metadata)


def option_fields(options: Any) -> list[dataclasses.Field]:
    """The fields that `option` made, of a dataclass or an instance of one."""
    return [field for field in dataclasses.fields(options) if "help" in field.metadata]


def flag(name: str) -> str:
    """The command-line spelling of an option's name."""
    return "--" + name.replace("_", "-")


def _spelling(field: dataclasses.Field) -> str:
    """How a person gives an option: by its flag, or by its place."""
    return f"one of the {field.name}" if field.metadata["positional"] else flag(field.name)


def check_ranges(options: Any) -> None:
    """Check that every option has a value of its type, among its choices and in its range.

    Raises:
        UserError: one has not; names the flag, the value and what is allowed.
    """
    hints = typing.get_type_hints(type(options))
    for field in option_fields(options):
        value, hint = getattr(options, field.name), hints[field.name]
        if not _fits(value, hint):
            raise UserError(f"{flag(field.name)} is {brief(value)}; it takes {_describe(hint)}")
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, int | float):
                _check_range(field, part)
            elif isinstance(part, str) and not part.strip():
                raise UserError(
                    f"{_spelling(field)} is {part!r}; is a variable of the shell empty?"
                )


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value has a type. True is not a number; a whole number is a float too."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return value in parts
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        if isinstance(value, tuple) and parts[-1] is ...:
            parts = parts[:1] * len(value)
        return (
            isinstance(value, tuple) and len(value) == len(parts) and all(map(_fits, value, parts))
        )
    if hint in (int, float):
        return isinstance(value, int | hint) and not isinstance(value, bool)
    return isinstance(value, hint)


def _describe(hint: Any) -> str:
    """The allowed values of a type, in words."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " | ".join(map(repr, parts))
    if origin in (typing.Union, types.UnionType):
        return " or ".join(map(_describe, parts))
    if origin is tuple:
        return "(" + ", ".join("..." if part is ... else _describe(part) for part in parts) + ")"
    return _WORDS[hint]


def _check_range(field: dataclasses.Field, number: float) -> None:
    low, high = field.metadata["low"], field.metadata["high"]
    # In this form NaN, whose comparisons are all false, is refused too.
    is_inside = (low is None or number >= low) and (high is None or number <= high)
    # A whole number that no float holds is beyond every setting.
    if not (is_inside and abs(number) <= sys.float_info.max):
        bounds = (("at least", low), ("at most", high))
        limits = [f"{words} {bound}" for words, bound in bounds if bound is not None]
        raise UserError(
            f"{flag(field.name)} is {brief(number)}; "
            f"it must be a number, {' and '.join(limits) or 'not infinite'}"
        )


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Check that every name is known.

    Args:
        names: the names to check.
        known: all allowed names.
        where: what contains the names, for the error message.

    Raises:
        UserError: one is not; states where it was found and the most similar known name.
    """
    known = list(known)
    for name in names:
        if name not in known:
            if RENAMED.get(name) in known:
                raise UserError(f"{where}: {name!r} has been renamed: use {RENAMED[name]!r}")
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            raise UserError(f"{where}: unknown setting {brief(name)}{hint}")


def from_mapping(options_type: type, values: Mapping[str, Any], where: str) -> Any:
    """Make options from a mapping of names to values, in which lists stand for tuples.

    Args:
        options_type: the dataclass of the options.
        values: a CONFIG block or parsed JSON.
        where: what contains the values, for the error message.

    Raises:
        UserError: a name is unknown or a value is not allowed; begins with `where`.
    """
    check_names(values, [field.name for field in option_fields(options_type)], where)
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    try:
        return options_type(**values)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None
