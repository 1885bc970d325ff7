"""Why it came out so: where each arm's confidence loss and its gradient come from."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.page.dots import shorten
from utils.page.plot import (
    Plot,
    Report,
    Row,
    area_legend,
    arm_legend,
    make_plot,
)
from utils.page.svg import arm_line, color, label_axes, log_scale, new_axes, new_rows

_HEIGHT = 210
_SIDES = ("positive", "negative")
# Kind of predictor: the variable of its color, and words.
_KINDS = {
    "positive": ("positive", "positives"),
    "easy_negative": ("easy", "easy negatives, confidence below 0.5"),
    "hard_negative": ("hard", "hard negatives, confidence above 0.5"),
}
_SLOPE_LIMIT, _LOSS_LIMIT = 1.05, 5.0


def loss_curves(report: Report) -> Plot | None:
    """The elementwise loss and its slope against the probability of the truth."""
    arms = _diagnosed(report, "curves")
    panels, rows = [], []
    for key, limit in (("loss", _LOSS_LIMIT), ("slope", _SLOPE_LIMIT)):
        for side in _SIDES:
            words = "loss" if key == "loss" else "|slope| in the logit"
            figure, axes = new_axes(_HEIGHT, f"{side}s", "probability of the truth, p_t", words)
            highest = 0.0
            for i, _, curves in arms:
                values = np.abs(_array(curves[side][key]))
                highest = max(highest, np.nanmax(values, initial=0.0))
                axes.plot(curves["x"], values, **arm_line(i))
            axes.set(xlim=(0, 1), ylim=(0, min(1.05 * highest, limit) or 1))
            panels.append(figure)
    for _, arm, curves in arms:
        for side in _SIDES:
            columns = zip(curves["x"], curves[side]["loss"], curves[side]["slope"], strict=True)
            rows += [(arm["name"], side, *values) for values in columns]
    caption = (
        "What one predictor contributes, by the probability it gives to the truth (figure 1 of the"
        " focal loss paper), with the arm's confidence gain. To the right lie the easy ones, which"
        " the focal loss quiets. Ohem is BCE for those that it picks."
    )
    texts = ("The losses themselves", caption)
    table = (("arm", "side", "p_t", "loss", "slope"), rows)
    return make_plot("loss-curves", texts, panels, table, arm_legend(report)) if arms else None


def cumulative_loss(report: Report) -> Plot | None:
    """Which part of the loss comes from which part of the predictors."""
    arms = _diagnosed(report, "cumulative")
    panels, rows = [], []
    for side in _SIDES:
        words = (f"share of the {side}s, by rising loss", "share of their loss")
        figure, axes = new_axes(_HEIGHT, f"{side}s", *words)
        for i, arm, sides in arms:
            x, y = sides[side]["share_of_predictors"], sides[side]["share_of_loss"]
            axes.plot(_array(x), _array(y), **arm_line(i))
            rows += [(arm["name"], side, *pair) for pair in zip(x, y, strict=True)]
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
        panels.append(figure)
    caption = (
        "Predictors of the trained networks sorted by their loss (figure 4 of the focal loss"
        " paper). The lower a curve hangs, the more the hardest few make up the loss."
    )
    texts = ("Who makes up the confidence loss", caption)
    table = (("arm", "side", "share_of_predictors", "share_of_loss"), rows)
    return make_plot("cumulative-loss", texts, panels, table, arm_legend(report)) if arms else None


def gradient_shares(report: Report) -> Plot | None:
    """From whom the confidence gradient comes, per level and over the epochs."""
    arms = _diagnosed(report, "epochs")
    panels = [_shares_panel(arm, epochs) for _, arm, epochs in arms]
    rows = [
        (arm["name"], epoch["epoch"], level["stride"], kind, *_parts(level, kind))
        for _, arm, epochs in arms
        for epoch in epochs
        for level in epoch["levels"]
        for kind in _KINDS
    ]
    caption = (
        "Shares of the sum of |slope in the logit| over the same validation images, for all levels"
        " together and for each by itself, a panel per arm, over the epochs of training."
    )
    texts = ("Where the confidence gradient comes from", caption)
    table = (("arm", "epoch", "stride", "kind", "gradient", "loss", "predictors"), rows)
    legend = area_legend(dict(_KINDS.values()))
    return make_plot("gradient-shares", texts, panels, table, legend) if arms else None


def sizes(report: Report) -> Plot | None:
    """How large the confidence loss and its gradient are, over the epochs."""
    arms = _diagnosed(report, "epochs")
    panels, rows = [], []
    for key in ("loss", "gradient"):
        figure, axes = new_axes(_HEIGHT, f"{key}, all levels", "epoch", "sum over predictors")
        for i, arm, epochs in arms:
            sums = [sum(sum(level[key].values()) for level in e["levels"]) for e in epochs]
            axes.plot([e["epoch"] for e in epochs], _above_zero(sums), **arm_line(i))
            rows += [(arm["name"], key, e["epoch"], s) for e, s in zip(epochs, sums, strict=True)]
        log_scale(axes)
        panels.append(figure)
    caption = (
        "Sums over the same validation images, with the arm's confidence gain, on a logarithmic"
        " scale. An arm with a smaller gradient learns its confidences more slowly beside the same"
        " box and class terms."
    )
    texts = ("How large loss and gradient are", caption)
    table = (("arm", "quantity", "epoch", "sum"), rows)
    return make_plot("loss-size", texts, panels, table, arm_legend(report)) if arms else None


def ignored(report: Report) -> Plot | None:
    """How many predictors the ignore mask spares, per level and over the epochs."""
    arms = _diagnosed(report, "epochs")
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
            axes.plot([row[2] for row in mine], [100 * row[4] for row in mine], **arm_line(i))
        axes.set_ylim(bottom=0)
        panels.append(figure)
    caption = (
        "Negatives whose box overlaps an object by more than ignore_threshold take no part in the"
        " loss: their share of all predictors of a level."
    )
    head = ("arm", "stride", "epoch", "ignored", "share_of_predictors")
    texts, table = ("How many predictors are ignored", caption), (head, rows)
    return make_plot("ignored", texts, panels, table, arm_legend(report)) if arms else None


def confidences(report: Report) -> Plot | None:
    """Histograms of the confidence of positives and negatives."""
    arms = _diagnosed(report, "histogram")
    panels, rows = [], []
    for side in _SIDES:
        figure, axes = new_axes(_HEIGHT, f"{side}s", "confidence", f"share of the {side}s")
        for i, arm, histogram in arms:
            counts, edges = _array(histogram[side]), histogram["edges"]
            shares = _above_zero(counts / max(np.nansum(counts), 1))
            floor = 0.5 / max(np.nansum(counts), 1)
            look = arm_line(i)
            axes.stairs(
                np.nan_to_num(shares, nan=floor),
                edges,
                baseline=None,
                color=look["color"],
                linewidth=look["linewidth"],
                linestyle="-" if look["dashes"][0] is None else (0, look["dashes"]),
            )
            bins = zip(edges[:-1], edges[1:], histogram[side], strict=True)
            rows += [(arm["name"], side, *values) for values in bins]
        axes.set_xlim(0, 1)
        log_scale(axes)
        panels.append(figure)
    caption = (
        "Confidences that the trained networks give to predictors that answer for an object, and"
        " to those that answer for none, on a logarithmic scale."
    )
    texts = ("Confidences", caption)
    table = (("arm", "side", "confidence_low", "confidence_high", "predictors"), rows)
    return make_plot("confidences", texts, panels, table, arm_legend(report)) if arms else None


def _diagnosed(report: Report, key: str) -> list[tuple[int, dict, Any]]:
    """Index, arm and what was measured under `key`, of the arms that were."""
    found = [(i, arm, (arm["diagnosis"] or {}).get(key)) for i, arm in enumerate(report["arms"])]
    return [entry for entry in found if entry[2]]


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
        [[sum(level["gradient"][kind] for level in levels) for kind in _KINDS]
         for levels in levels_per_epoch]
    )  # fmt: skip
    totals = sums.sum(axis=1, keepdims=True)
    shares = 100 * np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    colors = [color(variable) for variable, _ in _KINDS.values()]
    axes.stackplot(epochs, shares.T, colors=colors, linewidth=0)
    if len(epochs) == 1:
        axes.bar(epochs, shares[0], bottom=np.cumsum(shares[0]) - shares[0], color=colors)
    else:
        axes.set_xlim(min(epochs), max(epochs))
    axes.set(ylim=(0, 100), yticks=(0, 50, 100))


def _by_stride(epochs: list[dict]) -> list[tuple[int, list[dict]]]:
    """Each level by itself over the epochs."""
    columns = zip(*(epoch["levels"] for epoch in epochs), strict=True)
    return [(int(column[0]["stride"]), list(column)) for column in columns]


def _parts(level: dict[str, Any], kind: str) -> Iterator[float]:
    return (level[key][kind] for key in ("gradient", "loss", "predictors"))


def _array(values: list[float | None]) -> np.ndarray:
    return np.array([np.nan if value is None else value for value in values], float)


def _above_zero(values: Any) -> np.ndarray:
    """Gaps where a logarithmic scale has no place."""
    values = np.asarray(values, float)
    return np.where(values > 0, values, np.nan)
