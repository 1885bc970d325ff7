"""How the arms detect: precision and recall, thresholds, calibration, types of errors."""

from typing import Any

from utils.page.dots import Dot, draw_dots, shorten
from utils.page.plot import Plot, make_plot
from utils.page.svg import color, new_axes, series_color, series_line, series_marker
from yolo4.compare.report.figures.common import Report, arm_legend, arms_with, with_gaps

_HEIGHT = 220
_ERRORS = {
    "localization": "localization: right class, inaccurate box",
    "class": "class: right place, wrong class",
    "background": "background: no object there",
    "duplicate": "duplicate: object already detected",
    "missed": "missed: object not detected",
}


def precision_recall(report: Report) -> Plot | None:
    """Precision against recall of all classes together."""
    arms = arms_with(report, "precision_recall")
    if not arms:
        return None
    figure, axes = new_axes(_HEIGHT + 40, "", "recall: share of the objects detected", "precision")
    rows = []
    for i, arm in arms:
        curve = arm["precision_recall"]
        axes.plot(curve["recall"], with_gaps(curve["precision"]), **series_line(i))
        pairs = zip(curve["recall"], curve["precision"], strict=True)
        rows += [(arm["name"], *pair) for pair in pairs]
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    caption = (
        "All classes together, IoU 0.5: the highest precision at each recall or a higher one, mean"
        " over the seeds. A higher curve means more detected objects at the same precision."
    )
    texts, table = ("Precision and recall", caption), (("arm", "recall", "precision"), rows)
    return make_plot("precision-recall", texts, [figure], table, arm_legend(report))


def thresholds(report: Report) -> Plot | None:
    """F1, precision and recall against the score threshold."""
    arms = arms_with(report, "thresholds")
    if not arms:
        return None
    panels = []
    for key, words in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        figure, axes = new_axes(_HEIGHT, "", "score threshold", words)
        for i, arm in arms:
            curve, chosen = arm["thresholds"], arm["metrics"]["threshold"]["mean"]
            axes.plot(curve["threshold"], with_gaps(curve[key]), **series_line(i))
            if chosen is None:
                continue
            axes.axvline(chosen, color=series_color(i), linewidth=0.9, linestyle=":")
            f1 = arm["metrics"]["f1"]["mean"]
            if key == "f1" and f1 is not None:
                axes.plot(chosen, f1, markersize=6, **series_marker(i))
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        panels.append(figure)
    rows = [
        (arm["name"], *values)
        for _, arm in arms
        for values in zip(
            *(arm["thresholds"][k] for k in ("threshold", "f1", "precision", "recall")), strict=True
        )
    ]
    caption = (
        "Precision, recall and F1 of the detections that score at least the threshold, means over"
        " the seeds. Dotted: the threshold with the best F1 on each run's validation images, with"
        " the F1 that it gives here as a point. The focal loss leads to lower scores by design, so"
        " compare the arms at their own thresholds, not at a common one."
    )
    table = (("arm", "threshold", "f1", "precision", "recall"), rows)
    return make_plot(
        "thresholds", ("The score threshold", caption), panels, table, arm_legend(report)
    )


def calibration(report: Report) -> Plot | None:
    """Share of true positives against the score, one panel per arm."""
    arms = arms_with(report, "reliability")
    if not arms:
        return None
    panels, rows = [], []
    for i, arm in arms:
        bins = arm["reliability"]
        ece = "" if bins["ece"] is None else f": ECE {bins['ece']:.3f}"
        title = shorten(arm["name"], 36) + ece
        figure, axes = new_axes(_HEIGHT, title, "score", "share that is correct")
        axes.plot([0, 1], [0, 1], color=color("quiet"), linewidth=0.9, dashes=(4, 3))
        known = _filled(bins)
        scores, shares, _ = zip(*known, strict=True) if known else ((), (), ())
        axes.vlines(scores, scores, shares, color=series_color(i), linewidth=5, alpha=0.3)
        axes.plot(scores, shares, **series_line(i) | {"dashes": (None, None), "linewidth": 1})
        total = max((count for *_, count in known), default=1)
        for score, share, count in known:
            size = 3 + 7 * (count / total) ** 0.5
            axes.plot(score, share, "o", color=series_color(i), markersize=size)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        panels.append(figure)
        edges = zip(bins["edges"][:-1], bins["edges"][1:], strict=True)
        columns = (bins[key] for key in ("confidence", "precision", "counts"))
        rows += [(arm["name"], *e, *rest) for e, *rest in zip(edges, *columns, strict=True)]
    caption = (
        "Detections in bins of their score. On the dashed line, a score of 0.7 means that 70% of"
        " such detections are correct; above it the scores are underconfident, below it"
        " overconfident. Larger points stand for more detections. ECE, the expected calibration"
        " error, is the mean distance from the line over all detections. The table of scores has it"
        " also after a temperature, one number per run that its validation images choose to scale"
        " the logits of all scores (Guo et al. 2017)."
    )
    head = ("arm", "bin_low", "bin_high", "mean_score", "share_right", "detections")
    return make_plot("reliability", ("Are the scores calibrated?", caption), panels, (head, rows))


def errors(report: Report) -> Plot | None:
    """Types of errors at each arm's threshold."""
    arms = arms_with(report, "errors")
    if not arms:
        return None
    dots = [
        (words, [Dot(i, arm["errors"].get(name)) for i, arm in arms])
        for name, words in _ERRORS.items()
    ]
    rows = [(arm["name"], *item) for _, arm in arms for item in arm["errors"].items()]
    caption = (
        "Number of wrong detections and missed objects at the threshold that each run's validation"
        f" images chose, on the {report['data']['images']} {report['data']['split']} images, mean"
        " over the seeds."
    )
    texts, panels = ("Types of errors", caption), [draw_dots(dots, "errors per run", start=0)]
    return make_plot("errors", texts, panels, (("arm", "kind", "count"), rows), arm_legend(report))


def _filled(bins: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Mean score, share of true positives and count of the bins that hold detections."""
    columns = zip(bins["confidence"], bins["precision"], bins["counts"], strict=True)
    return [row for row in columns if row[2] and None not in row]
