"""The data sets that scale are what they say, and a second start takes linear time in them."""

import pytest

from benchmarks.large_data.making import BOXES_PER_IMAGE, FORMATS
from benchmarks.large_data.measuring import first_scan, second_start
from tests.helpers.cost import python_calls
from utils.annotations import load_dataset
from utils.annotations.cached import cache_file

pytestmark = pytest.mark.quick

EVERY_FORMAT = pytest.mark.parametrize("format", FORMATS)
COUNTS = (60, 120, 240)


@EVERY_FORMAT
def test_a_data_set_is_read_without_findings(tmp_path, format):
    FORMATS[format](tmp_path / "data", 240)
    data = load_dataset(tmp_path / "data", progress=False)
    assert {split: len(records) for split, records in data.splits.items()} == {
        "train": 230,
        "val": 10,
    }
    assert data.report.findings == ()
    boxes = sum(len(record.labels) for records in data.splits.values() for record in records)
    # The number of boxes is geometric, with a standard deviation of 8; five of the mean's.
    assert abs(boxes / 240 - BOXES_PER_IMAGE) < 5 * 8 / 240**0.5


@EVERY_FORMAT
def test_a_second_start_takes_linear_time(tmp_path, format, monkeypatch):
    """Twice the images add twice the calls; in quadratic time they would add four times as many."""
    monkeypatch.setattr(cache_file, "_MIN_AGE_NS", -(10**12))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    calls = []
    for count in COUNTS:
        root, cache = tmp_path / f"{count}", tmp_path / f"cache {count}"
        FORMATS[format](root, count)
        first_scan(root, cache)
        calls.append(python_calls(second_start, root, cache))
    few, many = calls[1] - calls[0], calls[2] - calls[1]
    assert 1.5 * few < many < 2.5 * few
