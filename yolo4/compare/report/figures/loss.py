"""The confidence loss itself, and the predictors of the trained networks that it comes from."""

import numpy as np
from matplotlib.axes import Axes

from utils.page.plot import Plot, make_plot
from utils.page.svg import log_scale, new_axes, series_line
from yolo4.compare.report.figures.common import (
    Report,
    arm_legend,
    diagnosed,
    positive_only,
    with_gaps,
)

_HEIGHT = 210
_SIDES = ("positive", "negative")
_GRADIENT_LIMIT, _LOSS_LIMIT = 1.05, 5.0


def loss_curves(report: Report) -> Plot | None:
    """The elementwise loss and its gradient against the probability of the truth."""
    arms = diagnosed(report, "curves")
    panels, rows = [], []
    for key, limit in (("loss", _LOSS_LIMIT), ("gradient", _GRADIENT_LIMIT)):
        for side in _SIDES:
            words = "loss" if key == "loss" else "|gradient|"
            figure, axes = new_axes(_HEIGHT, f"{side}s", "probability of the truth, p_t", words)
            highest = 0.0
            for i, _, curves in arms:
                values = np.abs(with_gaps(curves[side][key]))
                highest = max(highest, np.nanmax(values, initial=0.0))
                axes.plot(curves["x"], values, **series_line(i))
            axes.set(xlim=(0, 1), ylim=(0, min(1.05 * highest, limit) or 1))
            panels.append(figure)
    for _, arm, curves in arms:
        for side in _SIDES:
            columns = (curves["x"], curves[side]["loss"], curves[side]["gradient"])
            rows += [(arm["name"], side, *values) for values in zip(*columns, strict=True)]
    caption = (
        "What one predictor contributes, against the probability that it assigns to the truth"
        " (figure 1 of the focal loss paper), with the arm's confidence gain. The gradient is with"
        " respect to the confidence logit. The focal loss down-weights the easy predictors on the"
        " right. Ohem is BCE for the predictors that it selects."
    )
    texts = ("The losses themselves", caption)
    table = (("arm", "side", "p_t", "loss", "gradient"), rows)
    return make_plot("loss-curves", texts, panels, table, arm_legend(report)) if arms else None


def cumulative_loss(report: Report) -> Plot | None:
    """Which share of the loss comes from which share of the predictors."""
    arms = diagnosed(report, "cumulative")
    panels, rows = [], []
    for side in _SIDES:
        words = (f"share of the {side}s, by increasing loss", "share of their loss")
        figure, axes = new_axes(_HEIGHT, f"{side}s", *words)
        for i, arm, sides in arms:
            x, y = sides[side]["share_of_predictors"], sides[side]["share_of_loss"]
            axes.plot(with_gaps(x), with_gaps(y), **series_line(i))
            rows += [(arm["name"], side, *pair) for pair in zip(x, y, strict=True)]
        axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
        panels.append(figure)
    caption = (
        "Predictors of the trained networks, sorted by their loss (figure 4 of the focal loss"
        " paper). The lower a curve lies, the more of the loss comes from the few hardest ones."
    )
    texts = ("Which predictors make up the confidence loss", caption)
    table = (("arm", "side", "share_of_predictors", "share_of_loss"), rows)
    return make_plot("cumulative-loss", texts, panels, table, arm_legend(report)) if arms else None


def confidences(report: Report) -> Plot | None:
    """Histograms of the confidence of positives and negatives."""
    arms = diagnosed(report, "histogram")
    panels, rows = [], []
    for side in _SIDES:
        figure, axes = new_axes(_HEIGHT, f"{side}s", "confidence", f"share of the {side}s")
        for i, arm, histogram in arms:
            _draw_histogram(axes, i, with_gaps(histogram[side]), histogram["edges"])
            edges = histogram["edges"]
            bins = zip(edges[:-1], edges[1:], histogram[side], strict=True)
            rows += [(arm["name"], side, *values) for values in bins]
        axes.set_xlim(0, 1)
        log_scale(axes)
        panels.append(figure)
    caption = (
        "Confidences that the trained networks give to positives and to negatives, on a"
        " logarithmic scale."
    )
    texts = ("Confidences", caption)
    table = (("arm", "side", "confidence_low", "confidence_high", "predictors"), rows)
    return make_plot("confidences", texts, panels, table, arm_legend(report)) if arms else None


def _draw_histogram(axes: Axes, index: int, counts: np.ndarray, edges: list[float]) -> None:
    total = max(np.nansum(counts), 1)
    line = series_line(index)
    axes.stairs(
        np.nan_to_num(positive_only(counts / total), nan=0.5 / total),
        edges,
        baseline=None,
        color=line["color"],
        linewidth=line["linewidth"],
        linestyle="-" if line["dashes"][0] is None else (0, line["dashes"]),
    )
