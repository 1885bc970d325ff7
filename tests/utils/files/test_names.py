"""File names that fit, and those that are not UTF-8."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.files.names import LONGEST, fitting_name, is_utf8

pytestmark = pytest.mark.quick

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), max_size=300)


@given(NAMES, NAMES.filter(lambda text: len(text.encode()) < LONGEST))
def test_a_name_keeps_its_ending_and_as_much_of_its_stem_as_fits(stem, ending):
    name = fitting_name(stem, ending)
    assert len(name.encode()) <= LONGEST
    assert name.endswith(ending)
    kept = name.removesuffix(ending)
    assert stem.startswith(kept)
    if kept != stem:
        longer = stem[: len(kept) + 1] + ending
        assert len(longer.encode()) > LONGEST


def test_bytes_that_are_not_utf_8_are_noticed():
    assert is_utf8("a/\u044f.jpg")
    assert not is_utf8(os.fsdecode(b"caf\xe9.jpg"))
    assert len(os.fsencode(fitting_name(os.fsdecode(b"\xe9" * 300), ".jpg"))) == LONGEST
