"""Matplotlib figures as inline SVG with the colors and the font of the page and unique ids."""

import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

# A panel is as wide as the text column of a phone, so one unit of the drawing is a pixel there.
WIDTH = 328
SERIES = 8  # colors before they repeat
FONT_SIZE = 10.5
_MARGINS = (48, 10, 38, 22, 26)  # left, right, bottom, top, between rows
_POINTS = 72  # units of the drawing per inch of Matplotlib
_NAMESPACE = "http://www.w3.org/2000/svg"
_LINK = "{http://www.w3.org/1999/xlink}href"
# page.css defines a variable of each name, for the light and the dark color scheme.
_VARIABLES = (
    *("ink", "quiet", "grid", "ground", "positive", "easy", "hard"),
    *(f"series-{i}" for i in range(SERIES)),
)
_PLACEHOLDER = re.compile("#ab00([0-9a-f]{2})")
_DASHES = ((), (), (5, 2), (1.6, 1.6), (7, 2, 1.6, 2), (), (5, 2), (1.6, 1.6))
_MARKERS = "osD^vP*X"


def color(variable: str) -> str:
    """A placeholder that Matplotlib accepts for a color variable of the page's style sheet."""
    return f"#ab00{_VARIABLES.index(variable):02x}"


def series_color(index: int) -> str:
    """The color of a series, the same in every figure; index 0, the reference, is neutral."""
    return color(f"series-{index % SERIES}")


def series_line(index: int) -> dict[str, Any]:
    """Color and dashes of a line; the dashes help people who cannot tell the colors apart."""
    dashes = _DASHES[(index + index // SERIES) % len(_DASHES)]
    return {"color": series_color(index), "linewidth": 1.7, "dashes": dashes or (None, None)}


def series_marker(index: int) -> dict[str, Any]:
    """Color and shape of a point."""
    marker = _MARKERS[(index + index // SERIES) % len(_MARKERS)]
    return {"color": series_color(index), "marker": marker, "linestyle": "none"}


def new_axes(
    height: float, title: str = "", x_label: str = "", y_label: str = ""
) -> tuple[Figure, Axes]:
    """One panel, `height` units high, with an unobtrusive frame and grid."""
    figure, (axes,) = new_rows(height, 1)
    label_axes(axes, title, x_label, y_label)
    return figure, axes


def new_rows(height: float, rows: int) -> tuple[Figure, list[Axes]]:
    """Panels stacked vertically with shared axes."""
    size = (WIDTH / _POINTS, height / _POINTS)
    figure = Figure(figsize=size, facecolor="none")
    grid = list(figure.subplots(rows, 1, squeeze=False, sharex=True, sharey=True).ravel())
    # Fixed margins: Matplotlib's layout engines measure every text twice, which takes most of the
    # time, and panels side by side would not line up.
    left, right, bottom, top, between = _MARGINS
    row = (height - bottom - top - between * (rows - 1)) / rows
    figure.subplots_adjust(
        left / WIDTH, bottom / height, 1 - right / WIDTH, 1 - top / height, hspace=between / row
    )
    for axes in grid:
        axes.set_facecolor("none")
        axes.grid(color=color("grid"), linewidth=0.8)
        axes.set_axisbelow(True)
        axes.tick_params(
            which="both", color=color("grid"), labelcolor=color("quiet"), labelsize=FONT_SIZE
        )
        axes.tick_params(length=3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(color("quiet"))
        axes.spines[["left", "bottom"]].set_linewidth(0.8)
    return figure, grid


def log_scale(axes: Axes) -> None:
    """Use a logarithmic scale whose limits are powers of ten."""
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    low, high = axes.dataLim.intervaly
    if 0 < low <= high < np.inf:
        axes.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high) + 1e-9))


def label_axes(axes: Axes, title: str = "", x_label: str = "", y_label: str = "") -> None:
    """Write the title and the labels as plain text: names from outside may hold dollar signs."""
    words = {"fontsize": FONT_SIZE, "parse_math": False}
    axes.set_title(title, loc="left", color=color("ink"), pad=5, **words)
    axes.set_xlabel(x_label, color=color("ink"), **words)
    axes.set_ylabel(y_label, color=color("ink"), **words)


def inline_svg(figure: Figure, name: str, label: str) -> Markup:
    """Turn a figure into an `<svg>` element.

    Args:
        figure: drawn with the colors of `color`.
        name: unique on the page; the prefix of all ids.
        label: text for screen readers; empty for decoration.
    """
    data = io.BytesIO()
    settings = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name})
    with settings, warnings.catch_warnings():
        # The page draws the text with its own fonts, so Matplotlib's fonts may lack glyphs.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(data, format="svg", metadata={"Date": None})
    root = ElementTree.fromstring(data.getvalue())
    _simplify(root, name)
    root.attrib |= {"role": "img", "aria-label": label} if label else {"aria-hidden": "true"}
    for size in ("width", "height", "version"):
        del root.attrib[size]
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _simplify(root: ElementTree.Element, name: str) -> None:
    """Keep only what the page needs, with element names without namespace, as HTML expects."""
    for parent in root.iter():
        for child in list(parent):
            # A style element would apply to the whole page.
            if child.tag in (f"{{{_NAMESPACE}}}metadata", f"{{{_NAMESPACE}}}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(f"{{{_NAMESPACE}}}")
        element.attrib = {
            key if key != _LINK else "href": _rewrite(key, value, name)
            for key, value in element.attrib.items()
        }
    source = " ".join(v for e in root.iter() for k, v in e.attrib.items() if k != "id")
    for element in root.iter():
        if f"#{element.get('id')}" not in source:
            element.attrib.pop("id", None)


def _rewrite(key: str, value: str, name: str) -> str:
    if key == "id":
        return f"{name}-{value}"
    if key == _LINK:
        return f"#{name}-{value[1:]}"
    value = value.replace("url(#", f"url(#{name}-")
    if key != "style":
        return value
    value = _PLACEHOLDER.sub(lambda match: f"var(--{_VARIABLES[int(match[1], 16)]})", value)
    return re.sub(r"font: ([\d.]+)px [^;]*", r"font-size: \1px", value)
