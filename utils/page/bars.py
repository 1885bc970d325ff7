"""Bar charts: rows of named values, one bar of several parts per row; and histograms."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FixedLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    StrMethodFormatter,
)

from utils.page.dots import frame_rows, write_row_name
from utils.page.svg import color, new_axes

_NAME, _BAR, _GAP, _FRAME, _TITLE, _BELOW_TITLE = 18, 11, 7, 46, 26, 6  # units

Bar = Sequence[tuple[str, float]]


def draw_bars(rows: Sequence[tuple[str, Bar]], x_label: str, title: str = "") -> Figure:
    """Draw rows from top to bottom, each with its name above its bar.

    Args:
        rows: names, drawn as plain text, and the parts of the bar: color variables and lengths.
        x_label: quantity and unit.
        title: of the panel.
    """
    height = _NAME + _BAR + _GAP
    title_height = _TITLE if title else 0
    figure, axes = new_axes(height * len(rows) + _FRAME + title_height, title, x_label)
    for i, (name, parts) in enumerate(rows):
        write_row_name(axes, name, i * height)
        start = 0.0
        for variable, length in parts:
            y = i * height + _NAME + _BAR / 2
            axes.barh(y, length, _BAR, start, color=color(variable), linewidth=0)
            start += length
    axes.grid(visible=False, axis="y")
    frame_rows(figure, axes, height * len(rows))
    figure.subplots_adjust(top=1 - (4 + title_height) / (figure.get_figheight() * 72))
    axes.set_ylim(top=-_BELOW_TITLE if title else 0)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    return figure


def draw_columns(axes: Axes, edges: np.ndarray, counts: np.ndarray, variable: str) -> None:
    """Draw a histogram: a column from each edge to the next one."""
    gap = 0.08 * np.diff(edges)
    axes.bar(
        edges[:-1] + gap / 2,
        counts,
        np.diff(edges) - gap,
        align="edge",
        color=color(variable),
        linewidth=0,
    )
    axes.grid(visible=False, axis="x")


def log2_axis(axes: Axes, low: float, high: float, which: str = "x") -> None:
    """Use a logarithmic scale with powers of two as ticks, below the upper limit."""
    # At the limit itself, half of the number would be outside the drawing.
    first, last = int(np.ceil(np.log2(low))), int(np.ceil(np.log2(high))) - 1
    step = 1 if last - first < 8 else 2
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=2)
    (axes.set_xlim if which == "x" else axes.set_ylim)(low, high)
    axis.set_major_locator(FixedLocator([2.0**power for power in range(first, last + 1, step)]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
