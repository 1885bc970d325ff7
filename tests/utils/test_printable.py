"""Text that is shown to people holds no character that a terminal obeys."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.printable import brief, one_line, printable
from utils.text import class_name

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("line\nline\ttab\r", r"line\nline\ttab\r"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066a\u2028\udcff", r"\u2066a\u2028\udcff"),
    ],
)
def test_control_characters_are_shown_as_escapes(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text", ["яблоко", "小猫 1", "émeu", "می\u200cخواهم", "👩\u200d🌾", "कुत्ता", "a\\nb"]
)
def test_letters_of_every_script_stay(text):
    assert printable(text) == text
    assert class_name(text) == text


def test_the_middle_of_a_long_text_is_left_out():
    assert printable("a" * 10_000 + "b" * 10_000) == "a" * 995 + " ... " + "b" * 200
    assert printable("a" * 1200) == "a" * 1200


@given(st.text() | st.text("\x1b\u202ea", min_size=150, max_size=3000))
def test_what_is_shown_once_is_shown_again_as_it_is(text):
    assert printable(printable(text)) == printable(text)


@given(st.text())
def test_no_text_keeps_a_control_character(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert all(ord(character) >= 32 and not 127 <= ord(character) < 160 for character in shown)
    assert not set(shown) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029"
    )
    assert class_name(class_name(text)) == class_name(text)


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize("value", [deep(100_000), ["x" * 10**6] * 10**6, {"a": {"b": [{}] * 99}}])
def test_a_value_of_any_size_is_shown_briefly(value):
    assert len(brief(value)) < 1000


def test_an_error_is_one_short_line():
    assert one_line(ValueError("a\n  b\x1b")) == r"a b\x1b"
    assert len(one_line(ValueError("x" * 10_000))) < 400
    assert one_line(FileNotFoundError(2, "No such file or directory", "x")).startswith("No such")


@pytest.mark.parametrize("value", [None, [], {}, deep(5000)])
def test_only_texts_and_numbers_name_a_class(value):
    assert class_name(value) == ""


def test_a_number_may_name_a_class():
    assert class_name(7) == "7"
