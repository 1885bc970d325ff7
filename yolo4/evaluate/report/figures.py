"""The figures of a report: precision and recall, what errors cost, calibration."""

import numpy as np

from utils.metrics.score_curve import ScoreCurve
from utils.page.bars import draw_bars, draw_columns
from utils.page.dots import shorten
from utils.page.plot import Plot, make_plot, points, series_legend
from utils.page.svg import SERIES, color, new_axes, series_line
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.evaluate.report.summary import Summary

_HEIGHT = 260
_RECALLS = np.linspace(0, 1, 101)
_ERRORS = {
    "localization": "localization: right class, inaccurate box",
    "class": "class: right place, wrong class",
    "both": "both: wrong class and inaccurate box",
    "duplicate": "duplicate: object already detected",
    "background": "background: no object there",
    "missed": "missed: object not detected",
}


def precision_recall(evaluation: Evaluation) -> Plot:
    """Precision against recall of all classes together, and of those with the most objects."""
    main, names = evaluation.metrics.voc.main, evaluation.class_names
    with_objects = [label for label, curve in enumerate(main.classes) if curve.num_gt]
    most = sorted(with_objects, key=lambda label: -main.classes[label].num_gt)[: SERIES - 1]
    curves = [("all classes together", main.overall)]
    curves += [(names[label], main.classes[label]) for label in most]
    figure, axes = new_axes(_HEIGHT, "", "recall: share of the objects detected", "precision")
    rows = []
    for i, (name, curve) in enumerate(curves):
        precision = _envelope(curve)
        axes.plot(_RECALLS, precision, drawstyle="steps-pre", **series_line(i))
        rows += [(name, *pair) for pair in zip(_RECALLS.round(2), precision, strict=True)]
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    caption = (
        "IoU 0.5: the highest precision at each recall or a higher one. The area under a class's"
        " curve is its AP."
    )
    if len(most) < len(with_objects):
        caption += f" The {len(most)} classes with the most objects are drawn."
    legend = series_legend([shorten(name) for name, _ in curves])
    table = (("class", "recall", "precision"), rows)
    return make_plot("precision-recall", ("Precision and recall", caption), [figure], table, legend)


def _envelope(curve: ScoreCurve) -> np.ndarray:
    """Precision at each of `_RECALLS`; 0 beyond the highest recall that is reached."""
    reached = np.searchsorted(curve.recall, _RECALLS)
    return np.append(curve.envelope, 0.0)[reached]


def error_costs(summary: Summary) -> Plot:
    """What fixing each kind of error would bring."""
    gains = summary["gains"]["all"]
    bars = [(words, [("hard", points(gains[name] or 0.0))]) for name, words in _ERRORS.items()]
    figure = draw_bars(bars, "points of mAP that fixing them would bring")
    caption = (
        "All detections, IoU 0.5. Each kind is fixed alone: poor boxes and wrong classes become"
        " right, what is wrong otherwise disappears, and missed objects no longer count (TIDE,"
        " Bolya et al. 2020). The gains do not add up, since errors hide one another."
    )
    columns = list(summary["gains"])
    rows = [(name, *(summary["gains"][size][name] for size in columns)) for name in _ERRORS]
    table = (("kind", *columns), rows)
    return make_plot("errors", ("What each kind of error costs", caption), [figure], table)


def calibration(summary: Summary) -> Plot:
    """The share of right detections against the score."""
    bins = summary["calibration"]
    figure, axes = new_axes(_HEIGHT, "", "score", "share that is right")
    shares = np.array([np.nan if p is None else p for p in bins["precision"]], float)
    draw_columns(axes, np.array(bins["edges"]), np.nan_to_num(shares), "easy")
    axes.plot([0, 1], [0, 1], color=color("quiet"), linewidth=1, dashes=(4, 3))
    known = [pair for pair in zip(bins["confidence"], shares, strict=True) if pair[0] is not None]
    if known:
        axes.plot(*zip(*known, strict=True), "o", color=color("hard"), markersize=5)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    ece = "" if bins["ece"] is None else f": {bins['ece']:.3f}"
    caption = (
        "Detections in ten bins of their score; points are at the mean score of a bin. On the"
        " dashed line a score of 0.7 means that 70% of such detections are right; above it scores"
        " are too low, below it too high. ECE, the mean distance from it over all detections, most"
        f" of which score low{ece}."
    )
    edges = zip(bins["edges"][:-1], bins["edges"][1:], strict=True)
    columns = (bins[key] for key in ("confidence", "precision", "counts"))
    rows = [(*edge, *rest) for edge, *rest in zip(edges, *columns, strict=True)]
    head = ("bin_low", "bin_high", "mean_score", "share_right", "detections")
    return make_plot("calibration", ("Are the scores calibrated?", caption), [figure], (head, rows))
