"""Compact records are the records that were given, in a fraction of the memory."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.records import CompactRecords, Record

pytestmark = pytest.mark.quick

FIELDS = ("boxes", "labels", "difficult")


def record(number, objects, digest=b"0123456789abcdef"):
    """An image with objects that occur in no other."""
    first = 100 * number
    boxes = np.arange(first, first + 4 * objects, dtype=np.float32).reshape(-1, 4)
    labels = np.arange(first, first + objects, dtype=np.int32)
    path = Path("/data/images") / f"{number:012}.jpg"
    return Record(path, (640 + number, 480), boxes, labels, labels % 3 == 0, digest)


def assert_equal(one, other):
    assert (one.image, one.size, one.digest) == (other.image, other.size, other.digest)
    for field in FIELDS:
        ours, theirs = getattr(one, field), getattr(other, field)
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs, strict=True)


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([b"", b"\0", b"0123"]))))
def test_records_are_the_same_also_after_pickling(made):
    records = [record(number, *each) for number, each in enumerate(made)]
    for compact in (
        CompactRecords.of(records),
        pickle.loads(pickle.dumps(CompactRecords.of(records))),
    ):
        assert len(compact) == len(records)
        for one, other in zip(compact, records, strict=True):
            assert_equal(one, other)


def test_they_are_indexed_like_a_list():
    records = [record(number, 2 * number) for number in range(5)]
    compact = CompactRecords.of(records)
    assert_equal(compact[-1], records[-1])
    assert [each.image for each in compact[1:4:2]] == [records[1].image, records[3].image]
    with pytest.raises(IndexError):
        compact[5]


def test_a_record_costs_its_objects_and_less_than_two_hundred_bytes():
    """As pickled: a path of 31 bytes, a size, a digest, and 21 bytes of each object."""
    few, many = (CompactRecords.of([record(n, 7) for n in range(count)]) for count in (100, 1100))
    added = len(pickle.dumps(many)) - len(pickle.dumps(few))
    assert 7 * 21 * 1000 < added < (7 * 21 + 200) * 1000
    arrays = len(pickle.dumps([record(n, 7) for n in range(1100)]))
    assert added < arrays
