"""The confidence loss over the epochs: its size, and the predictors that it comes from."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.page.dots import shorten
from utils.page.plot import Plot, Row, area_legend, make_plot
from utils.page.svg import color, label_axes, log_scale, new_axes, new_rows, series_line
from yolo4.compare.report.figures.common import Report, arm_legend, diagnosed, positive_only

_HEIGHT = 210
# The predictors that contribute to the loss: the variable of their color, and words.
_GROUPS = {
    "positive": ("positive", "positives"),
    "easy_negative": ("easy", "easy negatives, confidence below 0.5"),
    "hard_negative": ("hard", "hard negatives, confidence above 0.5"),
}


def gradient_shares(report: Report) -> Plot | None:
    """Which predictors the confidence gradient comes from, per level and over the epochs."""
    arms = diagnosed(report, "epochs")
    panels = [_shares_panel(arm, epochs) for _, arm, epochs in arms]
    rows = [
        (
            *(arm["name"], epoch["epoch"], level["stride"], group),
            *(level[key][group] for key in ("gradient", "loss", "predictors")),
        )
        for _, arm, epochs in arms
        for epoch in epochs
        for level in epoch["levels"]
        for group in _GROUPS
    ]
    caption = (
        "Shares of the sum of |gradient| with respect to the confidence logits over the same"
        " validation images, for all levels together and for each level, over the epochs of"
        " training. One panel per arm."
    )
    texts = ("Where the confidence gradient comes from", caption)
    table = (("arm", "epoch", "stride", "kind", "gradient", "loss", "predictors"), rows)
    legend = area_legend(dict(_GROUPS.values()))
    return make_plot("gradient-shares", texts, panels, table, legend) if arms else None


def loss_size(report: Report) -> Plot | None:
    """How large the confidence loss and its gradient are, over the epochs."""
    arms = diagnosed(report, "epochs")
    panels, rows = [], []
    for key in ("loss", "gradient"):
        figure, axes = new_axes(_HEIGHT, f"{key}, all levels", "epoch", "sum over predictors")
        for i, arm, epochs in arms:
            sums = [sum(sum(level[key].values()) for level in e["levels"]) for e in epochs]
            axes.plot([e["epoch"] for e in epochs], positive_only(sums), **series_line(i))
            rows += [(arm["name"], key, e["epoch"], s) for e, s in zip(epochs, sums, strict=True)]
        log_scale(axes)
        panels.append(figure)
    caption = (
        "Sums over the same validation images, with the arm's confidence gain, on a logarithmic"
        " scale. With the same box and class terms, an arm with a smaller gradient learns its"
        " confidences more slowly."
    )
    texts = ("How large loss and gradient are", caption)
    table = (("arm", "quantity", "epoch", "sum"), rows)
    return make_plot("loss-size", texts, panels, table, arm_legend(report)) if arms else None


def ignored(report: Report) -> Plot | None:
    """How many predictors the loss mask leaves out, per level and over the epochs."""
    arms = diagnosed(report, "epochs")
    rows: list[Row] = []
    for _, arm, epochs in arms:
        for stride, levels in _by_stride(epochs):
            counts = [level["predictors"] for level in levels]
            shares = [c["ignored"] / (sum(c.values()) or 1) for c in counts]
            named = zip(epochs, counts, shares, strict=True)
            rows += [(arm["name"], stride, e["epoch"], c["ignored"], s) for e, c, s in named]
    panels = []
    for stride in dict.fromkeys(row[1] for row in rows):
        figure, axes = new_axes(_HEIGHT, f"stride {stride}", "epoch", "% ignored")
        for i, arm, _ in arms:
            mine = [row for row in rows if row[:2] == (arm["name"], stride)]
            axes.plot([row[2] for row in mine], [100 * row[4] for row in mine], **series_line(i))
        axes.set_ylim(bottom=0)
        panels.append(figure)
    caption = (
        "Negatives whose box overlaps an object by more than ignore_threshold do not contribute to"
        " the loss: their share of all predictors of a level."
    )
    head = ("arm", "stride", "epoch", "ignored", "share_of_predictors")
    texts, table = ("How many predictors are ignored", caption), (head, rows)
    return make_plot("ignored", texts, panels, table, arm_legend(report)) if arms else None


def _shares_panel(arm: dict[str, Any], epochs: list[dict]) -> Figure:
    strides = _by_stride(epochs)
    levels = [("all levels", [e["levels"] for e in epochs])]
    levels += [(f"stride {stride}", [[level] for level in each]) for stride, each in strides]
    figure, grid = new_rows(60 + 96 * len(levels), len(levels))
    for axes, (words, per_epoch) in zip(grid, levels, strict=True):
        _stack(axes, [e["epoch"] for e in epochs], per_epoch)
        label_axes(axes, words, "", "%")
    label_axes(grid[0], f"{shorten(arm['name'], 34)}: {levels[0][0]}", "", "%")
    grid[-1].set_xlabel("epoch")
    return figure


def _stack(axes: Axes, epochs: list[int], levels_per_epoch: list[list[dict]]) -> None:
    sums = np.array(
        [
            [sum(level["gradient"][group] for level in levels) for group in _GROUPS]
            for levels in levels_per_epoch
        ]
    )
    totals = sums.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    colors = [color(variable) for variable, _ in _GROUPS.values()]
    axes.stackplot(epochs, shares.T, colors=colors, linewidth=0)
    if len(epochs) == 1:
        axes.bar(epochs, shares[0], bottom=np.cumsum(shares[0]) - shares[0], color=colors)
    else:
        axes.set_xlim(min(epochs), max(epochs))
    axes.set(ylim=(0, 100), yticks=(0, 50, 100))


def _by_stride(epochs: list[dict]) -> list[tuple[int, list[dict]]]:
    """The entries of each level over the epochs."""
    columns = zip(*(epoch["levels"] for epoch in epochs), strict=True)
    return [(int(column[0]["stride"]), list(column)) for column in columns]
