"""Options: dataclass fields that carry their help text, their group and their allowed values."""

import dataclasses
import difflib
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from utils.errors import UserError


def option(
    default: Any,
    help: str,
    group: str = "options",
    low: float | None = None,
    high: float | None = None,
    positional: bool = False,
) -> Any:
    """A dataclass field of a command's options.

    Args:
        default: the value where none is given.
        help: one line for `--help` and the table of hyperparameters, with the unit.
        group: the heading it stands under in `--help`.
        low: smallest allowed number.
        high: largest allowed number.
        positional: given by place instead of by a flag.
    """
    metadata = {"help": help, "group": group, "low": low, "high": high, "positional": positional}
    return dataclasses.field(default=default, metadata=metadata)


def flag(name: str) -> str:
    """The command-line spelling of an option's name."""
    return "--" + name.replace("_", "-")


def check_ranges(options: Any) -> None:
    """Refuse numbers outside the `low` and `high` of their option, and unlisted choices.

    Raises:
        UserError: names the flag, the value and what is allowed.
    """
    types = typing.get_type_hints(type(options))
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if typing.get_origin(types[field.name]) is typing.Literal:
            choices = typing.get_args(types[field.name])
            if value not in choices:
                raise UserError(
                    f"{flag(field.name)} is {value!r}; it takes {' | '.join(map(repr, choices))}"
                )
        for number in value if isinstance(value, tuple) else (value,):
            _check_range(field, number)


def _check_range(field: dataclasses.Field, number: Any) -> None:
    low, high = field.metadata["low"], field.metadata["high"]
    if (low is None and high is None) or number is None:
        return
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    # Written so that NaN, which compares as false, is refused too.
    inside = is_number and (low is None or number >= low) and (high is None or number <= high)
    if not inside:
        wanted = (
            f"at least {low}"
            if high is None
            else f"at most {high}"
            if low is None
            else f"{low} to {high}"
        )
        raise UserError(f"{flag(field.name)} is {number!r}; it must be a number, {wanted}")


def check_names(names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Refuse a key that no option has, and say which one is near.

    Raises:
        UserError: names the key, the place and the nearest known key.
    """
    known = list(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(known)}"
            raise UserError(f"{where}: unknown setting {name!r}{hint}")


def from_mapping(options_type: type, values: Mapping[str, Any], where: str) -> Any:
    """Build options from parsed JSON, with lists as tuples.

    Raises:
        UserError: on an unknown key or a value outside its range.
    """
    check_names(values, [field.name for field in dataclasses.fields(options_type)], where)
    return options_type(
        **{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    )
