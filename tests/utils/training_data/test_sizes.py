"""The sizes of a multi-scale training."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.training_data.sizes import sizes_between

pytestmark = pytest.mark.quick


def test_squares_are_all_multiples_between_the_two_factors():
    # 0.67 * 416 = 278.7 and 1.5 * 416 = 624, between which 288 to 608 are multiples of 32.
    expected = tuple((side, side) for side in range(288, 609, 32))
    assert sizes_between((416, 416), 0.67, 1.5, 32) == expected
    # 0.7 * 320 is 224 exactly, but not in floating point; 1.4 * 320 = 448.
    assert sizes_between((320, 320), 0.7, 1.4, 32)[0] == (224, 224)
    assert sizes_between((320, 320), 0.7, 1.4, 32)[-1] == (448, 448)
    assert sizes_between((320, 320), 0.95, 1.05, 32) == ((320, 320),)


def test_other_shapes_keep_their_proportions_as_multiples_allow():
    assert sizes_between((64, 128), 0.5, 1.5, 32) == ((32, 64), (64, 128), (96, 192))
    # 3 to 2: widths of 32 and 96 want heights of 48 and 144, halfway between multiples of 32.
    assert sizes_between((96, 64), 0.5, 2, 32) == ((64, 32), (96, 64), (160, 96), (192, 128))


@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0.25, 1),
    st.floats(1, 4),
    st.sampled_from([1, 8, 32, 64]),
)
def test_no_two_sizes_share_a_side_and_the_base_is_one_of_them(counts, low, high, multiple):
    base = (counts[0] * multiple, counts[1] * multiple)
    sizes = sizes_between(base, low, high, multiple)
    assert base in sizes
    for sides in zip(*sizes, strict=True):
        assert len(set(sides)) == len(sizes)
        assert list(sides) == sorted(sides)
    for height, width in sizes:
        assert height % multiple == width % multiple == 0
        factor = min(height, width) / min(base)
        assert low - 1e-6 <= factor <= high + 1e-6
        # Half a multiple at most from the proportions of the base, in whole numbers.
        off = max(height, width) * min(base) - min(height, width) * max(base)
        assert 2 * abs(off) <= multiple * min(base)
    assert sizes_between(base[::-1], low, high, multiple) == tuple(size[::-1] for size in sizes)
