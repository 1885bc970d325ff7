"""An annotation is the same after the cache, and what is no annotation raises an error."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.annotations.cached.packed import pack, unpack
from utils.annotations.raw import Annotation, Finding, Problem, RawObject

pytestmark = pytest.mark.quick

FILE = Path("a.xml")
NAMES = st.text(max_size=9)
OBJECTS = st.builds(
    RawObject,
    st.one_of(NAMES, st.integers(0, 99)),
    st.tuples(*[st.floats(allow_nan=False)] * 4),
    NAMES,
    st.booleans(),
)
PROBLEMS = st.builds(Finding, st.sampled_from(Problem), st.just(FILE), NAMES, NAMES)
SIZES = st.none() | st.tuples(st.integers(1, 9999), st.integers(1, 9999))
ANNOTATIONS = st.builds(
    Annotation, st.lists(OBJECTS, max_size=4), st.lists(PROBLEMS, max_size=4), SIZES, st.booleans()
)


@given(ANNOTATIONS)
def test_an_annotation_is_the_same_after_the_cache(annotation):
    packed = pack(annotation)
    kept = json.loads(json.dumps(packed))
    assert kept == packed
    assert unpack(FILE, kept) == annotation


@pytest.mark.parametrize("place", range(3))
@given(ANNOTATIONS.filter(lambda annotation: annotation.objects))
def test_columns_of_different_lengths_are_refused(place, annotation):
    packed = pack(annotation)
    packed[place] = packed[place][:-1]
    with pytest.raises((ValueError, struct.error)):
        unpack(FILE, packed)


@pytest.mark.parametrize("place", range(2))
@given(ANNOTATIONS.filter(lambda annotation: annotation.objects))
def test_a_class_or_a_place_of_another_type_is_refused(place, annotation):
    packed = pack(annotation)
    packed[place][0] = None
    with pytest.raises(TypeError):
        unpack(FILE, packed)
