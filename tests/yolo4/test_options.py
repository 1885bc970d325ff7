"""Options: every value has its type and range, and an error names the flag of a wrong one."""

import dataclasses
from typing import Literal

import pytest

from utils.errors import UserError
from yolo4.options import check_names, check_ranges, flag, from_mapping, option, option_fields

pytestmark = pytest.mark.quick


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
    ("names", "abc", "(text, ...)"),
    ("names", ("a", 1), "(text, ...)"),
    ("loud", 1, "True or False"),
]


@pytest.mark.parametrize("values", GOOD)
def test_values_of_the_type_and_in_the_range_are_kept(values):
    options = Options(**values)
    assert {name: getattr(options, name) for name in values} == values


@pytest.mark.parametrize(("name", "value", "wanted"), BAD)
def test_other_values_are_refused_with_the_flag_the_value_and_what_is_allowed(name, value, wanted):
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


def test_an_unknown_name_is_refused_with_the_most_similar_one():
    with pytest.raises(UserError, match=r"run/config\.json: unknown setting 'stpes'.*'steps'\?"):
        check_names(["rate", "stpes"], ["steps", "rate"], "run/config.json")
    with pytest.raises(UserError, match="unknown setting 'zzz'; known are steps, rate"):
        check_names(["zzz"], ["steps", "rate"], "here")
    check_names(["rate"], ["steps", "rate"], "here")


def test_a_renamed_name_is_refused_with_its_new_one():
    @dataclasses.dataclass(frozen=True)
    class WithNms:
        nms_threshold: float = option(0.45, "overlap")

    with pytest.raises(
        UserError, match=r"^CONFIG: 'iou_threshold' has been renamed: use 'nms_threshold'$"
    ):
        from_mapping(WithNms, {"iou_threshold": 0.5}, "CONFIG")
    with pytest.raises(UserError, match="unknown setting 'iou_threshold'"):
        from_mapping(Options, {"iou_threshold": 0.5}, "CONFIG")


def test_what_is_not_an_option_is_no_setting():
    @dataclasses.dataclass(frozen=True)
    class Traced(Options):
        given: frozenset[str] = frozenset()

    assert [field.name for field in option_fields(Traced)] == [
        field.name for field in dataclasses.fields(Options)
    ]
    assert Traced(given=frozenset({"steps"})).steps == 3
    with pytest.raises(UserError, match="unknown setting 'given'"):
        from_mapping(Traced, {"given": ["steps"]}, "CONFIG")


def test_a_mapping_becomes_options_with_lists_as_tuples():
    options = from_mapping(Options, {"size": [64, 96], "names": ["x"], "steps": 2}, "file")
    assert options == Options(size=(64, 96), names=("x",), steps=2)
    assert from_mapping(Options, {}, "file") == Options()


@pytest.mark.parametrize("values", [{"setps": 2}, {"steps": 0}, {"names": [1]}])
def test_an_error_in_a_mapping_names_where_it_is(values):
    with pytest.raises(UserError, match=r"^run/config\.json: "):
        from_mapping(Options, values, "run/config.json")
