"""How the arms detect: precision and recall, thresholds, calibration, kinds of errors."""

from typing import Any

from utils.page.dots import Dot, draw_dots, shorten
from utils.page.plot import Plot, Report, arm_legend, make_plot
from utils.page.svg import arm_color, arm_line, arm_marker, color, new_axes

_HEIGHT = 220
_ERRORS = {
    "localization": "localization: right class, box too far off",
    "class": "class: right place, wrong name",
    "background": "background: nothing there",
    "duplicate": "duplicate: found once already",
    "missed": "missed: object not found",
}


def precision_recall(report: Report) -> Plot | None:
    """Precision against recall of all classes together."""
    arms = _arms_with(report, "precision_recall")
    if not arms:
        return None
    figure, axes = new_axes(_HEIGHT + 40, "", "recall: share of the objects found", "precision")
    rows = []
    for i, arm in arms:
        curve = arm["precision_recall"]
        axes.plot(curve["recall"], _numbers(curve["precision"]), **arm_line(i))
        pairs = zip(curve["recall"], curve["precision"], strict=True)
        rows += [(arm["name"], *pair) for pair in pairs]
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02))
    caption = (
        "All classes together, IoU 0.5: the best precision to be had at each recall, mean over the"
        " seeds. A curve that lies above another finds more at the same price."
    )
    texts, table = ("Precision and recall", caption), (("arm", "recall", "precision"), rows)
    return make_plot("precision-recall", texts, [figure], table, arm_legend(report))


def thresholds(report: Report) -> Plot | None:
    """F1, precision and recall against the score threshold."""
    arms = _arms_with(report, "thresholds")
    if not arms:
        return None
    panels = []
    for key, words in (("f1", "F1"), ("precision", "precision"), ("recall", "recall")):
        figure, axes = new_axes(_HEIGHT, "", "score threshold", words)
        for i, arm in arms:
            curve, best = arm["thresholds"], arm["metrics"]["best_threshold"]["mean"]
            axes.plot(curve["threshold"], _numbers(curve[key]), **arm_line(i))
            if best is not None:
                axes.axvline(best, color=arm_color(i), linewidth=0.9, linestyle=":")
            best_f1 = arm["metrics"]["best_f1"]["mean"]
            if key == "f1" and None not in (best, best_f1):
                axes.plot(best, best_f1, markersize=6, **arm_marker(i))
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
        "What is left when detections below a score are dropped, means over the seeds. Dotted: each"
        " arm's best threshold, and its best F1 as a point. The focal loss gives lower scores by"
        " its nature, so arms are to be compared at their own best thresholds, not at one."
    )
    table = (("arm", "threshold", "f1", "precision", "recall"), rows)
    return make_plot(
        "thresholds", ("The score threshold", caption), panels, table, arm_legend(report)
    )


def reliability(report: Report) -> Plot | None:
    """Share of right detections against their score, a panel per arm."""
    arms = _arms_with(report, "reliability")
    if not arms:
        return None
    panels, rows = [], []
    for i, arm in arms:
        bins = arm["reliability"]
        ece = "" if bins["ece"] is None else f": ECE {bins['ece']:.3f}"
        title = shorten(arm["name"], 36) + ece
        figure, axes = new_axes(_HEIGHT, title, "score", "share that is right")
        axes.plot([0, 1], [0, 1], color=color("quiet"), linewidth=0.9, dashes=(4, 3))
        known = _filled(bins)
        scores, shares, _ = zip(*known, strict=True) if known else ((), (), ())
        axes.vlines(scores, scores, shares, color=arm_color(i), linewidth=5, alpha=0.3)
        axes.plot(scores, shares, **arm_line(i) | {"dashes": (None, None), "linewidth": 1})
        total = max((count for *_, count in known), default=1)
        for score, share, count in known:
            size = 3 + 7 * (count / total) ** 0.5
            axes.plot(score, share, **arm_marker(i) | {"marker": "o"}, markersize=size)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        panels.append(figure)
        edges = zip(bins["edges"][:-1], bins["edges"][1:], strict=True)
        columns = (bins[key] for key in ("confidence", "precision", "counts"))
        rows += [(arm["name"], *e, *rest) for e, *rest in zip(edges, *columns, strict=True)]
    caption = (
        "Detections in bins of their score. On the dashed line a score of 0.7 means that 70% of"
        " such detections are right; above it the scores are too modest, below it too sure. Larger"
        " points hold more detections. ECE, the expected calibration error, is the mean distance"
        " from the line over all detections."
    )
    head = ("arm", "bin_low", "bin_high", "mean_score", "share_right", "detections")
    return make_plot("reliability", ("Can the scores be believed?", caption), panels, (head, rows))


def errors(report: Report) -> Plot | None:
    """Kinds of errors at each arm's best threshold."""
    arms = _arms_with(report, "errors")
    if not arms:
        return None
    dots = [
        (words, [Dot(i, arm["errors"].get(kind)) for i, arm in arms])
        for kind, words in _ERRORS.items()
    ]
    rows = [(arm["name"], *item) for _, arm in arms for item in arm["errors"].items()]
    caption = (
        "Wrong detections and missed objects at each arm's best threshold: how many on the"
        f" {report['data']['images']} {report['data']['split']} images, mean over the seeds."
    )
    texts, panels = ("Kinds of errors", caption), [draw_dots(dots, "errors per run", start=0)]
    return make_plot("errors", texts, panels, (("arm", "kind", "count"), rows), arm_legend(report))


def _arms_with(report: Report, key: str) -> list[tuple[int, dict[str, Any]]]:
    return [(i, arm) for i, arm in enumerate(report["arms"]) if arm[key]]


def _numbers(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]


def _filled(bins: dict[str, Any]) -> list[tuple[float, float, float]]:
    """Score, share and count of the bins that hold detections."""
    columns = zip(bins["confidence"], bins["precision"], bins["counts"], strict=True)
    return [row for row in columns if row[2] and None not in row]
