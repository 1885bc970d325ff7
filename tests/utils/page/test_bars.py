"""Bars and histograms: what is drawn has the lengths of the numbers."""

import numpy as np
import pytest

from utils.page.bars import draw_bars, draw_columns, log2_axis
from utils.page.svg import color, new_axes

pytestmark = pytest.mark.quick


def test_each_row_has_one_bar_of_adjoining_parts():
    rows = [("a", [("series-1", 3), ("series-2", 2)]), ("b", [("series-1", 0), ("series-2", 7)])]
    axes = draw_bars(rows, "objects", "title").axes[0]
    parts = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert parts == [(0, 3), (3, 2), (0, 0), (0, 7)]
    middle = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
    assert middle[0] == middle[1] < middle[2] == middle[3]
    assert {"a", "b"} <= {text.get_text() for text in axes.texts}
    low, high = axes.get_ylim()
    assert low > middle[3]
    assert high < middle[0]


def test_columns_stand_on_their_bins_with_a_gap():
    _, axes = new_axes(100)
    draw_columns(axes, np.array([0.0, 1.0, 4.0]), np.array([5, 2]), "hard")
    first, second = axes.patches
    assert (first.get_height(), second.get_height()) == (5, 2)
    for bar, low, high in ((first, 0, 1), (second, 1, 4)):
        assert low < bar.get_x() < bar.get_x() + bar.get_width() < high
        assert bar.get_x() + bar.get_width() / 2 == pytest.approx((low + high) / 2)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(8, 64, [8, 16, 32]), (7, 65, [8, 16, 32, 64]), (1, 1000, [1, 4, 16, 64, 256])],
)
def test_ticks_of_a_logarithmic_axis_are_powers_of_two(low, high, ticks):
    figure, axes = new_axes(100)
    axes.plot([low, high], [low, high], color=color("ink"))
    for which, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        log2_axis(axes, low, high, which)
        assert axis.get_majorticklocs().tolist() == ticks
    figure.canvas.draw()
    assert [label.get_text() for label in axes.get_xticklabels()] == list(map(str, ticks))
    assert axes.get_xlim() == axes.get_ylim() == (low, high)
