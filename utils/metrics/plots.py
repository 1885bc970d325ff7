"""Plots of an evaluation: precision against recall, score thresholds, AP per class."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text

from utils.draw import INK, class_color, font_file, save_figure, style_axes
from utils.metrics.score_curve import ScoreCurve, percent
from utils.metrics.voc_map import VocScores

_COLORS = {"precision": "#1f77b4", "recall": "#e07b00", "F1": "#2ca02c"}
# Further entries go into a second column.
_LEGEND_ROWS = 22
# The largest number of classes with separate panels.
_PANELS = 11
# The largest number of classes in one picture.
_MOST_CLASSES = 100
# With more curves than this, filled areas would hide one another.
_FILLED = 5


def plot_precision_recall(scores: VocScores, class_names: Sequence[str], path: str | Path) -> None:
    """Draw one stepped curve per class, whose area is the class's AP, as PNG.

    Args:
        scores: evaluation at one IoU threshold.
        class_names: names in the order of `scores.classes`; classes without objects are not drawn,
            and of more than 100 those with the most objects are.
        path: the PNG file.
    """
    shown = [i for i in _most_frequent(scores, _MOST_CLASSES) if scores.classes[i].num_gt]
    columns = 1 + (len(shown) - 1) // _LEGEND_ROWS
    figure = Figure(figsize=(8 + 2 * columns, 5.6), layout="constrained")
    axes = figure.add_subplot()
    title = f"Precision and recall at IoU {scores.iou_threshold:g}, mAP {percent(scores.map)}"
    style_axes(axes, title, "recall: share of the objects detected", "precision")
    lines = []
    for label in shown:
        curve = scores.classes[label]
        recall, precision = _steps(curve)
        color = line_color(label)
        if len(shown) <= _FILLED:
            axes.fill_between(recall, precision, step="pre", color=color, alpha=0.07)
        lines += axes.plot(recall, precision, drawstyle="steps-pre", color=color, linewidth=1.6)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    if lines:
        layout = {"loc": "outside right upper", "ncols": columns, "frameon": False, "fontsize": 9}
        legend = figure.legend(lines, ["AP"] * len(lines), **layout)
        for text, label in zip(legend.get_texts(), shown, strict=True):
            ap = percent(scores.classes[label].average_precision)
            write_name(text, f"{_short(class_names[label])}  {ap}")
    save_figure(figure, path)


def plot_score_thresholds(scores: VocScores, class_names: Sequence[str], path: str | Path) -> None:
    """Draw precision, recall and F1 against the score threshold, with the best F1, as PNG.

    The first panel shows all classes together. Each class with objects has a further panel; if
    there are more than 11, those with the most objects have one.

    Args:
        scores: evaluation at one IoU threshold.
        class_names: names in the order of `scores.classes`.
        path: the PNG file.
    """
    curves = scores.classes
    panels = [("all classes", scores.overall)]
    most = _most_frequent(scores, _PANELS)
    panels += [(class_names[i], curves[i]) for i in most if curves[i].num_gt]
    columns = min(4, len(panels), 2 + (len(panels) > 4) + (len(panels) > 9))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(1 + 3.4 * columns, 0.8 + 2.7 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    lines: list[Line2D] = []
    for axes, (name, curve) in zip(grid, panels, strict=False):
        style_axes(axes, "", "score threshold", "")
        lines = _draw_thresholds(axes, curve)
        best = curve.best_f1()
        title = axes.set_title("", loc="left", fontsize=10, color=INK)
        if np.isnan(best.threshold):
            write_name(title, f"{_short(name, 20)}: no true positive")
        else:
            mark = {"marker": "o", "markersize": 6, "clip_on": False, "zorder": 4}
            axes.plot(best.threshold, best.f1, color=_COLORS["F1"], **mark)
            axes.axvline(best.threshold, color=_COLORS["F1"], linewidth=0.8, linestyle=":")
            write_name(title, f"{_short(name, 20)}: best F1 {best.f1:.3f} at {best.threshold:.3g}")
        axes.label_outer()
    # If the last row is short, the lowest panel of some columns is in the row above it.
    for axes in grid[max(0, len(panels) - columns) : len(panels)]:
        axes.set_xlabel("score threshold", color=INK)
        axes.tick_params(labelbottom=True)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle(f"At IoU {scores.iou_threshold:g}", x=0.01, ha="left", fontsize=11, color=INK)
    figure.legend(lines, list(_COLORS), loc="outside upper right", ncols=3, frameon=False)
    save_figure(figure, path)


def plot_average_precision(scores: VocScores, class_names: Sequence[str], path: str | Path) -> None:
    """Draw one bar of AP per class, the best first, and the mean as a line, as PNG.

    Args:
        scores: evaluation at one IoU threshold.
        class_names: names in the order of `scores.classes`; of more than 100, those with the most
            objects are drawn.
        path: the PNG file.
    """
    ap = scores.ap
    shown = np.array(_most_frequent(scores, _MOST_CLASSES), np.int64)
    order: list[int] = shown[np.argsort(np.nan_to_num(ap[shown], nan=-1.0), kind="stable")].tolist()
    figure = Figure(figsize=(8, 1.4 + 0.34 * len(order)), layout="constrained")
    axes = figure.add_subplot()
    title = f"Average precision at IoU {scores.iou_threshold:g}, mean {percent(scores.map)}"
    style_axes(axes, title, "AP: area under the precision-recall curve", "")
    axes.grid(visible=False, axis="y")
    colors = [line_color(label) for label in order]
    axes.barh(np.arange(len(order)), np.nan_to_num(ap[order]), color=colors, height=0.68)
    for row, value in enumerate(ap[order].tolist()):
        measured = not np.isnan(value)
        note, end = (percent(value), value) if measured else ("no objects", 0.0)
        ground = {"facecolor": "white", "edgecolor": "none", "pad": 1}
        axes.text(end + 0.008, row, note, va="center", fontsize=9, color=INK, bbox=ground)
    if not np.isnan(scores.map):
        axes.axvline(scores.map, color=INK, linewidth=1, linestyle="--")
    axes.set(xlim=(0, 1.09), ylim=(-0.6, len(order) - 0.4), xticks=np.linspace(0, 1, 6))
    axes.set_yticks(np.arange(len(order)), [_short(class_names[label]) for label in order])
    for text in axes.get_yticklabels():
        write_name(text, text.get_text())
    save_figure(figure, path)


def _most_frequent(scores: VocScores, most: int) -> list[int]:
    """The classes with the most objects, at most as many, in their order."""
    objects = [curve.num_gt for curve in scores.classes]
    return sorted(sorted(range(len(objects)), key=lambda label: -objects[label])[:most])


def line_color(label: int) -> tuple[float, float, float]:
    """The class's color in drawn images, slightly darker so that it is visible on white."""
    red, green, blue = (0.82 * part / 255 for part in class_color(label))
    return red, green, blue


def write_name(text: Text, words: str) -> None:
    """Set a text that may hold any characters, dollar signs too, in a font that has them."""
    text.set_parse_math(False)
    text.set_fontproperties(FontProperties(fname=font_file(words), size=text.get_fontsize()))
    text.set_text(words)


def _draw_thresholds(axes: Axes, curve: ScoreCurve) -> list[Line2D]:
    low, high = min([0.0, *curve.scores[-1:]]), max([1.0, *curve.scores[:1]])
    thresholds = np.linspace(low, high, 1001)
    lines: list[Line2D] = []
    for values, color in zip(curve.at(thresholds), _COLORS.values(), strict=True):
        lines += axes.plot(thresholds, values, color=color, linewidth=1.5)
    axes.set(xlim=(low, high), ylim=(0, 1.03))
    return lines


def _steps(curve: ScoreCurve) -> tuple[np.ndarray, np.ndarray]:
    """The envelope as steps: each precision extends from the previous recall to its own."""
    recall, precision = curve.recall[curve.is_tp], curve.envelope[curve.is_tp]
    last = recall[-1:] if len(recall) else [0.0]
    start = precision[:1] if len(precision) else [0.0]
    return np.concatenate([[0.0], recall, last]), np.concatenate([start, precision, [0.0]])


def _short(name: str, letters: int = 32) -> str:
    return name if len(name) <= letters else name[: letters - 1] + "…"
