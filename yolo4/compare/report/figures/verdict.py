"""The verdict in figures: intervals against the band of practical sameness, and of what else."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes

from utils.page.dots import frame_rows, shorten, write_row_name
from utils.page.plot import Plot, Row, make_plot, points
from utils.page.svg import color, new_axes, series_color, series_line, series_marker
from yolo4.compare.report.figures.common import Report, arm_legend
from yolo4.compare.verdict.sentence import percent

# More secondary outcomes than this would make their figure several pages long.
MOST_OUTCOMES = 26
_NAME, _PER_ARM, _GAP = 18, 10, 8  # units


def differences(report: Report) -> Plot | None:
    """Every contrast with its intervals."""
    return _differences(report, report["contrasts"], "differences", "Difference in mAP")


def co_outcome(report: Report) -> Plot | None:
    """The same for the co-outcome."""
    title = f"Difference in the co-outcome, {report['design'].get('co_outcome')}"
    return _differences(report, report["co_outcome"], "co-outcome", title)


def _differences(report: Report, found: list[dict[str, Any]], name: str, title: str) -> Plot | None:
    contrasts = [c for c in found if c["mean"] is not None]
    if not contrasts:
        return None
    outcome, confidence = contrasts[0]["outcome"], percent(1 - contrasts[0]["level"])
    indices = {arm["name"]: i for i, arm in enumerate(report["arms"])}
    height = 52
    figure, axes = new_axes(
        height * len(contrasts) + 42,
        x_label=f"points of {outcome} above {shorten(report['reference'])}",
    )
    _draw_band(axes.axvspan, report)
    axes.axvline(0, color=color("quiet"), linewidth=1.2)
    rows: list[Row] = []
    for i, contrast in enumerate(contrasts):
        write_row_name(axes, contrast["arm"], height * i + 2)
        _draw_contrast(axes, indices[contrast["arm"]], height * i + 29, contrast)
        rows += _contrast_rows(contrast)
    frame_rows(figure, axes, height * len(contrasts))
    caption = (
        f"Right of zero, the arm is better than {report['reference']}. The point is the mean over"
        " the seeds, rings are single seeds. Thick bar: 95% interval over images. Thin bar:"
        f" {confidence} interval over images and seeds, which includes the noise of training and is"
        f" corrected for the looks. {_words_of_band(report)}"
    )
    head = ("arm", "reference", "seed", "difference", "images_low", "images_high", "low", "high")
    return make_plot(name, (title, caption), [figure], (head, rows))


def _draw_contrast(axes: Axes, arm: int, y: float, contrast: dict[str, Any]) -> None:
    for key, width in (("interval", 1.2), ("image_interval", 5)):
        limits = [points(limit) for limit in contrast[key] or ()]
        look = {"color": series_color(arm), "linewidth": width, "solid_capstyle": "butt"}
        axes.plot(limits, [y] * len(limits), alpha=1 if width < 2 else 0.4, **look)
    each = [points(difference) for difference in contrast["differences"]]
    axes.plot(
        each,
        [y + 13] * len(each),
        color=series_color(arm),
        marker="o",
        linestyle="none",
        markersize=3.6,
        markerfacecolor=color("ground"),
    )
    axes.plot(points(contrast["mean"]), y, markersize=7, markeredgewidth=0, **series_marker(arm))


def _contrast_rows(contrast: dict[str, Any]) -> list[Row]:
    """The mean with its intervals, and each seed's difference."""
    limits = [
        limit for key in ("image_interval", "interval") for limit in contrast[key] or [None] * 2
    ]
    names = (contrast["arm"], contrast["reference"])
    seeds = zip(contrast["seeds"], contrast["differences"], strict=True)
    return [
        (*names, "mean", contrast["mean"], *limits),
        *((*names, seed, value, *(None,) * 4) for seed, value in seeds),
    ]


def looks(report: Report) -> Plot | None:
    """The interval of every contrast at the looks so far, one panel per arm."""
    contrasts = [c for c in report["contrasts"] if c["looks"]]
    if not contrasts:
        return None
    indices = {arm["name"]: i for i, arm in enumerate(report["arms"])}
    panels = []
    for contrast in contrasts:
        title = f"{shorten(contrast['arm'], 30)}: {contrast['verdict']}"
        figure, axes = new_axes(190, title, "seeds", "points of mAP")
        _draw_band(axes.axhspan, report)
        axes.axhline(0, color=color("quiet"), linewidth=1.2)
        _draw_looks(axes, indices[contrast["arm"]], contrast["looks"])
        axes.set_xlim(0, 1.04 * max(report["design"]["looks"]))
        axes.set_xticks(report["design"]["looks"])
        panels.append(figure)
    rows = [
        (
            *(contrast["arm"], look["seeds"], look["mean"]),
            *(*look["interval"], *look["equivalence_interval"], look["verdict"]),
        )
        for contrast in contrasts
        for look in contrast["looks"]
    ]
    caption = (
        "Mean difference and its 95% interval over images and seeds at each look so far, corrected"
        f" for all planned looks, which the axis has marked. {_words_of_band(report)}"
    )
    head = ("arm", "seeds", "mean", "low", "high", "same_low", "same_high", "verdict")
    return make_plot("looks", ("The looks so far", caption), panels, (head, rows))


def _draw_looks(axes: Axes, arm: int, found: list[dict[str, Any]]) -> None:
    seeds = [look["seeds"] for look in found]
    means = [points(look["mean"]) for look in found]
    for look in found:
        limits = [points(limit) for limit in look["interval"]]
        axes.plot([look["seeds"]] * 2, limits, color=series_color(arm), linewidth=1.2)
    axes.plot(seeds, means, **series_line(arm) | {"linewidth": 0.9, "dashes": (1, 2)})
    axes.plot(seeds, means, markersize=6, **series_marker(arm))


def secondary(report: Report) -> Plot | None:
    """Differences to the reference in all outcomes besides mAP."""
    by_outcome: dict[str, list[dict[str, Any]]] = {}
    for entry in report["secondary"]:
        by_outcome.setdefault(entry["outcome"], []).append(entry)
    if not by_outcome:
        return None
    shown = dict(list(by_outcome.items())[:MOST_OUTCOMES])
    heights = [_NAME + _PER_ARM * len(entries) + _GAP for entries in shown.values()]
    figure, axes = new_axes(sum(heights) + 42, x_label="points above the reference")
    axes.axvline(0, color=color("quiet"), linewidth=1.2)
    indices, top = {arm["name"]: i for i, arm in enumerate(report["arms"])}, 0
    for (name, entries), height in zip(shown.items(), heights, strict=True):
        lower = "; lower is better" if entries[0]["lower_is_better"] else ""
        write_row_name(axes, name + lower, top)
        for i, entry in enumerate(entries):
            _draw_secondary(axes, indices[entry["arm"]], top + _NAME + _PER_ARM * (i + 0.5), entry)
        top += height
    frame_rows(figure, axes, top)
    caption = (
        f"Mean differences to {report['reference']}, with intervals over images and seeds that hold"
        " together with 95% confidence. Right of zero, the arm's value is higher."
    )
    if len(by_outcome) > len(shown):
        caption += (
            f" The first {len(shown)} of {len(by_outcome)} outcomes are drawn; the table and the"
            " CSV file hold all."
        )
    head = ("outcome", "arm", "reference", "seeds", "mean", "low", "high")
    rows = [
        (*(e[k] for k in ("outcome", "arm", "reference", "seeds", "mean")), *e["interval"])
        for e in report["secondary"]
    ]
    texts = ("Secondary outcomes", caption)
    return make_plot("secondary", texts, [figure], (head, rows), arm_legend(report))


def _draw_secondary(axes: Axes, arm: int, y: float, entry: dict[str, Any]) -> None:
    limits = [points(limit) for limit in entry["interval"]]
    axes.plot(limits, [y, y], color=series_color(arm), linewidth=1.2, solid_capstyle="butt")
    axes.plot(points(entry["mean"]), y, markersize=6, markeredgewidth=0, **series_marker(arm))


def _draw_band(span: Callable[..., Any], report: Report) -> None:
    """Shade the differences that are practically none."""
    size = points(report["design"]["smallest_difference"])
    span(-size, size, color=color("quiet"), alpha=0.15, linewidth=0)


def _words_of_band(report: Report) -> str:
    size = points(report["design"]["smallest_difference"])
    return f"In the shaded band, arms are practically the same: they differ by less than {size:g}."
