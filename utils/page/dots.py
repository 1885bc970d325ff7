"""Dot charts: rows of named values, one point per series."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.page.svg import FONT_SIZE, color, new_axes, series_color, series_marker

_NAME, _GAP, _FRAME = 18, 9, 46  # units
_PER_POINT = 9


@dataclass(frozen=True)
class Dot:
    """The value of one series in one row.

    Attributes:
        series: index of the series.
        mean: None if nothing was measured.
        values: single values, drawn as rings.
    """

    series: int
    mean: float | None
    values: Sequence[float] = ()


def draw_dots(
    rows: Sequence[tuple[str, Sequence[Dot]]], x_label: str, start: float | None = None
) -> Figure:
    """Draw rows from top to bottom, each with its name above its points.

    Args:
        rows: names and points; a name is drawn as plain text.
        x_label: quantity and unit.
        start: lower limit of the axis; None: slightly below the smallest value.
    """
    heights = [_NAME + _PER_POINT * len(dots) + _GAP for _, dots in rows]
    figure, axes = new_axes(sum(heights) + _FRAME, x_label=x_label)
    top = 0.0
    for (name, dots), height in zip(rows, heights, strict=True):
        write_row_name(axes, name, top)
        for i, dot in enumerate(dots):
            _draw(axes, dot, top + _NAME + _PER_POINT * (i + 0.5))
        top += height
    frame_rows(figure, axes, top)
    if start is not None:
        axes.set_xlim(left=start)
    return figure


def write_row_name(axes: Axes, name: str, top: float) -> None:
    """Write a name, shortened if too long, at the left end of the row that starts at `top`."""
    axes.annotate(
        shorten(name),
        (0, top),
        xycoords=("axes fraction", "data"),
        xytext=(2, -2),
        textcoords="offset points",
        va="top",
        fontsize=FONT_SIZE,
        color=color("ink"),
        parse_math=False,
        bbox={"facecolor": color("ground"), "edgecolor": "none", "pad": 1},
    )


def frame_rows(figure: Figure, axes: Axes, bottom: float) -> None:
    """Show rows from 0 at the top to `bottom`, without a vertical scale."""
    axes.set_ylim(bottom, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    height = figure.get_figheight() * 72
    # Room for half a tick label beyond either end of the axis.
    figure.subplots_adjust(left=0.045, right=0.955, top=1 - 4 / height)


def shorten(name: str, letters: int = 46) -> str:
    """The name, or its beginning and an ellipsis if it has more than `letters` characters."""
    return name if len(name) <= letters else name[: letters - 1] + "…"


def _draw(axes: Axes, dot: Dot, y: float) -> None:
    if dot.mean is None:
        return
    if len(dot.values) > 1:
        limits = [min(dot.values), max(dot.values)]
        axes.plot(limits, [y, y], color=series_color(dot.series), linewidth=0.9, alpha=0.6)
        axes.plot(
            dot.values,
            [y] * len(dot.values),
            color=series_color(dot.series),
            marker="o",
            linestyle="none",
            markersize=3.6,
            markerfacecolor=color("ground"),
        )
    axes.plot([dot.mean], [y], markersize=6, markeredgewidth=0, **series_marker(dot.series))
