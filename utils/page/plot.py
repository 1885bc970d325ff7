"""A figure of a page: its panels, its legend and the numbers it shows."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from utils.page.svg import color, inline_svg, series_line, series_marker

Row = Sequence[Any]


@dataclass(frozen=True)
class Key:
    """An entry of a legend: a drawn sample and its text."""

    sample: Markup
    words: str


@dataclass(frozen=True)
class Plot:
    """A figure: one or more panels, a legend above them, and the numbers that it shows.

    Attributes:
        name: name of the CSV file and id of the figure in the page.
        title: what it shows, in a few words.
        caption: how to read it.
        panels: the drawings.
        legend: entries that apply to all panels.
        head: names of the columns.
        rows: every number that was drawn.
    """

    name: str
    title: str
    caption: str
    panels: tuple[Markup, ...]
    legend: tuple[Key, ...]
    head: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def csv(self) -> str:
        """The numbers as CSV with a header line."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.head, *self.rows])
        return text.getvalue()


def make_plot(
    name: str,
    texts: tuple[str, str],
    panels: Iterable[Figure],
    table: tuple[Row, Iterable[Row]],
    legend: Callable[[str], tuple[Key, ...]] | None = None,
) -> Plot:
    """Make a figure of a page.

    Args:
        name: see `Plot`.
        texts: title and caption.
        panels: Matplotlib figures.
        table: head and rows.
        legend: makes the legend from a prefix for the ids of its drawings.
    """
    title, caption = texts
    drawn = tuple(inline_svg(panel, f"{name}-{i}", title) for i, panel in enumerate(panels))
    keys = legend(name) if legend else ()
    return Plot(name, title, caption, drawn, keys, tuple(table[0]), tuple(table[1]))


def series_legend(names: Sequence[str]) -> Callable[[str], tuple[Key, ...]]:
    """A legend with an entry for each series, in order."""

    def legend(name: str) -> tuple[Key, ...]:
        return tuple(
            Key(_sample([series_line(i), series_marker(i)], f"{name}-series-{i}"), words)
            for i, words in enumerate(names)
        )

    return legend


def area_legend(words_by_variable: dict[str, str]) -> Callable[[str], tuple[Key, ...]]:
    """A legend of filled areas: texts by color variable."""

    def legend(name: str) -> tuple[Key, ...]:
        return tuple(
            Key(_sample([{"color": color(variable), "linewidth": 9}], f"{name}-{variable}"), words)
            for variable, words in words_by_variable.items()
        )

    return legend


def points(fraction: float) -> float:
    """A fraction in points (percent)."""
    return 100 * fraction


def _sample(looks: Sequence[dict], name: str) -> Markup:
    figure = Figure(figsize=(28 / 72, 12 / 72), facecolor="none")
    for look in looks:
        is_point = "marker" in look
        x = [0.5] if is_point else [0.05, 0.95]
        figure.add_artist(Line2D(x, [0.5] * len(x), markersize=6, **look))
    return inline_svg(figure, name, "")
