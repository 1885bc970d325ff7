"""The curves of a training over its epochs."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, StrMethodFormatter

from utils.metrics.history import spans_far
from utils.page.dots import shorten
from utils.page.html import clean
from utils.page.plot import Plot, make_plot, series_legend
from utils.page.svg import SERIES, log_scale, new_axes, series_line, series_marker
from yolo4.train.page.moment import Moment

History = Sequence[dict[str, float]]

_HEIGHT = 210
_FEW = 15  # points of a curve that are drawn one by one
_TERMS = {
    "loss": "the whole loss",
    "box": "box loss",
    "confidence": "confidence loss",
    "class": "class loss",
}


def average_precision(moment: Moment) -> Plot:
    """MAP over the epochs, and the AP of the classes with the most objects."""
    names, curves = clean(moment.setup.class_names), moment.voc.main.classes
    measured, history = moment.progress.class_ap, moment.progress.history
    with_objects = [label for label, curve in enumerate(curves) if curve.num_gt]
    most = sorted(with_objects, key=lambda label: -curves[label].num_gt)[: SERIES - 1]
    lines: list[tuple[str, list[tuple[Any, Any]]]] = [("mAP", _points(history, "map50"))]
    # Of a single class, AP is mAP.
    for label in most if len(with_objects) > 1 else []:
        points = [(row[0], row[1 + label]) for row in measured if row[1 + label] is not None]
        lines.append((names[label], points))
    figure, axes = _new_axes(_HEIGHT + 50, "", "AP at IoU 0.5")
    for i, (_, points) in enumerate(lines):
        _draw(axes, points, i)
    best = moment.progress.best_epoch
    axes.axvline(best, color=series_line(0)["color"], linewidth=0.8, dashes=(2, 3))
    axes.set_ylim(0, 1.02)
    caption = f"On the validation images; the dotted line is at the best epoch, {best}."
    if len(most) < len(with_objects):
        caption += f" The {len(most)} classes with the most objects; the table has all."
    legend = series_legend([shorten(name) for name, _ in lines])
    rows = [(name, *point) for name, points in lines for point in points]
    texts = ("Average precision", caption)
    return make_plot("ap", texts, [figure], (("class", "epoch", "ap"), rows), legend)


def losses(history: History) -> Plot:
    """The loss and its terms, of training and validation."""
    panels = [_loss_panel(history, name, title) for name, title in _TERMS.items()]
    columns = [*_TERMS, *(f"val_{name}" for name in _TERMS)]
    rows = [(int(row["epoch"]), *(row.get(name) for name in columns)) for row in history]
    caption = (
        "Training losses are measured on augmented images and validation losses on plain ones, with"
        " the weights that are saved: compare their course, not their size."
    )
    legend = series_legend(["training", "validation"])
    return make_plot("losses", ("Loss", caption), panels, (("epoch", *columns), rows), legend)


def learning_rate(history: History) -> Plot:
    """The learning rate at the end of each epoch."""
    points = _points(history, "lr")
    figure, axes = _new_axes(_HEIGHT + 50, "", "")
    _draw(axes, points, 0)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.2g}"))
    texts = ("Learning rate", "At the end of each epoch.")
    return make_plot("learning-rate", texts, [figure], (("epoch", "learning_rate"), points))


def _loss_panel(history: History, name: str, title: str) -> Figure:
    figure, axes = _new_axes(_HEIGHT, title, "")
    curves = [_points(history, column) for column in (name, f"val_{name}")]
    for i, points in enumerate(curves):
        _draw(axes, points, i)
    if spans_far(np.array([value for points in curves for _, value in points])):
        log_scale(axes)
    else:
        axes.set_ylim(bottom=0)
    return figure


def _new_axes(height: float, title: str, y_label: str) -> tuple[Figure, Axes]:
    figure, axes = new_axes(height, title, "epoch", y_label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    return figure, axes


def _points(history: History, column: str) -> list[tuple[int, Any]]:
    """The epochs in which something was measured, and what."""
    return [
        (int(row["epoch"]), row[column])
        for row in history
        if column in row and np.isfinite(row[column])
    ]


def _draw(axes: Axes, points: Sequence[tuple[int, Any]], series: int) -> None:
    if not points:
        return
    epochs, values = zip(*points, strict=True)
    axes.plot(epochs, values, **series_line(series))
    if len(points) < _FEW:
        axes.plot(epochs, values, markersize=3.5, markeredgewidth=0, **series_marker(series))
