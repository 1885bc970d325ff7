"""Options: every value is of its type and in its range, and a wrong one is told by its flag."""

import dataclasses
from typing import Literal

import pytest

from utils.errors import UserError
from yolo4.options import check_names, check_ranges, flag, from_mapping, option


@dataclasses.dataclass(frozen=True)
class Options:
    steps: int = option(3, "a whole number", low=1, high=9)
    rate: float = option(0.5, "a number", low=0)
    maybe: float | None = option(None, "a number or nothing", low=0, high=1)
    size: int | tuple[int, int] = option(32, "one or two", low=32)
    kind: Literal["red", "green"] = option("red", "a choice")
    names: tuple[str, ...] = option((), "any number of texts")
    loud: bool = option(False, "a switch")

    def __post_init__(self):
        check_ranges(self)


GOOD = [
    {"steps": 1, "rate": 0, "maybe": None, "size": 32},
    {"steps": 9, "rate": 1e9, "maybe": 1, "size": (32, 64)},
    {"maybe": 0.0, "kind": "green", "names": ("a", "b"), "loud": True},
]
BAD = [
    ("steps", 0, "at least 1 and at most 9"),
    ("steps", 10, "at least 1 and at most 9"),
    ("steps", 2.0, "a whole number"),
    ("steps", True, "a whole number"),
    ("steps", "2", "a whole number"),
    ("steps", None, "a whole number"),
    ("rate", -1e-9, "at least 0"),
    ("rate", float("nan"), "at least 0"),
    ("rate", float("inf"), "at least 0"),
    ("rate", "fast", "a number"),
    ("maybe", float("nan"), "at least 0 and at most 1"),
    ("maybe", "None", "a number or None"),
    ("size", 31, "at least 32"),
    ("size", (64, 16), "at least 32"),
    ("size", (64, 64, 64), "a whole number or (a whole number, a whole number)"),
    ("size", (64, 64.0), "a whole number or (a whole number, a whole number)"),
    ("size", (), "a whole number or (a whole number, a whole number)"),
    ("kind", "blue", "'red' | 'green'"),
    ("kind", None, "'red' | 'green'"),
    ("names", "abc", "(a text, ...)"),
    ("names", ("a", 1), "(a text, ...)"),
    ("loud", 1, "True or False"),
]


@pytest.mark.parametrize("values", GOOD)
def test_values_of_the_type_and_in_the_range_are_kept(values):
    options = Options(**values)
    assert {name: getattr(options, name) for name in values} == values


@pytest.mark.parametrize(("name", "value", "wanted"), BAD)
def test_other_values_are_refused_with_the_flag_the_value_and_what_is_right(name, value, wanted):
    with pytest.raises(UserError) as caught:
        Options(**{name: value})
    text = str(caught.value)
    assert text.startswith(f"--{name} is ")
    assert wanted in text
    assert "\n" not in text


def test_an_option_without_bounds_takes_any_finite_number():
    @dataclasses.dataclass(frozen=True)
    class Free:
        shift: float = option(0.0, "any")

    check_ranges(Free(-1e300))
    with pytest.raises(UserError, match="--shift is -inf; it must be a number"):
        check_ranges(Free(float("-inf")))


def test_a_flag_is_the_name_with_dashes():
    assert flag("focal_alpha") == "--focal-alpha"


def test_an_unknown_name_is_refused_with_the_one_that_is_near():
    with pytest.raises(UserError, match=r"run/config\.json: unknown setting 'stpes'.*'steps'\?"):
        check_names(["rate", "stpes"], ["steps", "rate"], "run/config.json")
    with pytest.raises(UserError, match="unknown setting 'zzz'; known are steps, rate"):
        check_names(["zzz"], ["steps", "rate"], "here")
    check_names(["rate"], ["steps", "rate"], "here")


def test_a_mapping_becomes_options_with_lists_as_tuples():
    options = from_mapping(Options, {"size": [64, 96], "names": ["x"], "steps": 2}, "file")
    assert options == Options(size=(64, 96), names=("x",), steps=2)
    assert from_mapping(Options, {}, "file") == Options()


@pytest.mark.parametrize("values", [{"setps": 2}, {"steps": 0}, {"names": [1]}])
def test_what_a_mapping_has_wrong_is_told_with_its_place(values):
    with pytest.raises(UserError, match=r"^run/config\.json: "):
        from_mapping(Options, values, "run/config.json")
