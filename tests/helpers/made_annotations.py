"""Boxes that hypothesis draws for the round trip of a format, and the check of what was read."""

import numpy as np
from hypothesis import strategies as st

from tests.helpers.annotation_files import problem_counts
from utils.annotations import DataSet

SIZE = (60, 40)
_WIDTH, _HEIGHT = SIZE
# Names as users have them, with what separates fields in files of text.
_NAMES = st.sampled_from(["cat", "traffic light", 'a "b", c', "x;y", "<&>", "猫", "7"])


def _intervals(end: int) -> st.SearchStrategy[tuple[float, float]]:
    """Two numbers in 0..end, at least two pixels apart."""
    hundredths = st.tuples(st.integers(0, 100 * end), st.integers(0, 100 * end))
    ordered = hundredths.map(sorted).filter(lambda pair: pair[0] + 200 <= pair[1])
    return ordered.map(lambda pair: (pair[0] / 100, pair[1] / 100))


BOXES = st.lists(
    st.tuples(_NAMES, _intervals(_WIDTH), _intervals(_HEIGHT)).map(
        lambda drawn: (drawn[0], drawn[1][0], drawn[2][0], drawn[1][1], drawn[2][1])
    ),
    min_size=1,
    max_size=5,
    unique=True,
)


def assert_boxes(data: DataSet, boxes: list[tuple[str, float, float, float, float]]) -> None:
    """Assert that a data set of one image has exactly these boxes, in their order.

    The error bound is float32's at 60, twice for center and size.
    """
    assert problem_counts(data) == {}
    (record,) = (record for records in data.splits.values() for record in records)
    assert [data.class_names[label] for label in record.labels] == [box[0] for box in boxes]
    np.testing.assert_allclose(record.boxes, [box[1:] for box in boxes], rtol=0, atol=1e-5)
