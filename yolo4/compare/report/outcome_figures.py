"""What came out: differences between arms, every run, classes and sizes, the course of training."""

from collections.abc import Callable
from typing import Any

from utils.page.dots import Dot, draw_dots, frame_rows, shorten, write_row_name
from utils.page.plot import Plot, Report, Row, arm_legend, make_plot, points
from utils.page.svg import arm_color, arm_line, arm_marker, color, new_axes

# More classes than this would make a figure of several pages.
MOST_CLASSES = 20
_MAP = "test mAP, points"
_SCORES = {
    "AP": "AP, IoU 0.50 to 0.95",
    "AP50": "AP50, IoU 0.50",
    "AP75": "AP75, IoU 0.75",
    "AP_small": "small objects, below 32² pixels",
    "AP_medium": "medium objects",
    "AP_large": "large objects, above 96² pixels",
}


def differences(report: Report) -> Plot | None:
    """Every contrast with its intervals."""
    contrasts = [c for c in report["contrasts"] if c["mean"] is not None]
    if not contrasts:
        return None
    indices = {arm["name"]: i for i, arm in enumerate(report["arms"])}
    height = 52
    figure, axes = new_axes(
        height * len(contrasts) + 42, x_label=f"points of mAP above {shorten(report['reference'])}"
    )
    axes.axvline(0, color=color("quiet"), linewidth=1.2)
    rows: list[Row] = []
    for row, contrast in enumerate(contrasts):
        arm, y = indices[contrast["arm"]], height * row + 29
        write_row_name(axes, contrast["arm"], height * row + 2)
        for key, width in (("interval", 1.2), ("image_interval", 5)):
            ends = [points(end) for end in contrast[key] or ()]
            look = {"color": arm_color(arm), "linewidth": width, "solid_capstyle": "butt"}
            axes.plot(ends, [y] * len(ends), alpha=1 if width < 2 else 0.4, **look)
        each = [points(difference) for difference in contrast["differences"]]
        axes.plot(
            each,
            [y + 13] * len(each),
            **arm_marker(arm) | {"marker": "o"},
            markersize=3.6,
            markerfacecolor=color("ground"),
        )
        axes.plot(points(contrast["mean"]), y, markersize=7, markeredgewidth=0, **arm_marker(arm))
        ends = [
            *(contrast["image_interval"] or (None,) * 2),
            *(contrast["interval"] or (None,) * 2),
        ]
        name, reference = contrast["arm"], contrast["reference"]
        rows.append((name, reference, "mean", contrast["mean"], *ends))
        seeds = zip(contrast["seeds"], contrast["differences"], strict=True)
        rows += [(name, reference, seed, value, *(None,) * 4) for seed, value in seeds]
    frame_rows(axes, height * len(contrasts))
    caption = (
        f"Right of zero the arm is ahead of {report['reference']}. The point is the mean over the"
        " seeds, rings are the seeds one by one. Thick bar: 95% interval over test images. Thin"
        " bar: 95% interval over images and seeds, which takes the noise of training into account."
    )
    head = ("arm", "reference", "seed", "difference", "images_low", "images_high", "low", "high")
    texts = ("Difference in mAP", caption)
    return make_plot("differences", texts, [figure], (head, rows))


def runs(report: Report) -> Plot | None:
    """Test mAP of every run."""
    rows = _by_seed(report, lambda arm: {"": arm["metrics"]["voc_map"]})
    if not rows:
        return None
    dots = [
        (arm["name"], [_dot(i, arm["metrics"]["voc_map"])])
        for i, arm in enumerate(report["arms"])
        if arm["metrics"]["voc_map"]["mean"] is not None
    ]
    caption = "The point is the mean over the seeds, rings are the runs one by one."
    table = (("arm", "seed", "map"), [(arm, seed, value) for arm, _, seed, value in rows])
    return make_plot("runs", ("mAP of every run", caption), [draw_dots(dots, _MAP)], table)


def classes(report: Report) -> Plot | None:
    """AP of every class."""
    rows = _by_seed(report, lambda arm: arm["ap"])
    measured = dict.fromkeys(name for _, name, _, _ in rows)
    if not measured:
        return None
    means = {
        name: [m for arm in report["arms"] if (m := arm["ap"][name]["mean"]) is not None]
        for name in measured
    }
    most = sorted(means, key=lambda name: min(means[name]) - max(means[name]))[:MOST_CLASSES]
    shown = sorted(most, key=lambda name: -max(means[name]))
    panels = [draw_dots(_rows(report, lambda arm: arm["ap"], shown), "AP at IoU 0.5, points")]
    caption = "Each class by itself: means over the seeds, rings are the runs one by one."
    if len(measured) > len(shown):
        caption += (
            f" The {len(shown)} of {len(measured)} classes on which the arms differ most are drawn;"
            " all are in the table and in the CSV."
        )
    table = (("arm", "class", "seed", "ap"), rows)
    return make_plot("classes", ("AP by class", caption), panels, table, arm_legend(report))


def sizes(report: Report) -> Plot | None:
    """COCO's AP at several overlaps and by size of the objects."""

    def scores(arm: dict[str, Any]) -> dict[str, Any]:
        return {words: arm["metrics"][name] for name, words in _SCORES.items()}

    rows = _by_seed(report, scores)
    measured = list(dict.fromkeys(name for _, name, _, _ in rows))
    if not measured:
        return None
    caption = (
        "COCO's average precision, over ten overlaps and by the size of the objects in the image."
        " What the test images have no objects for is left out."
    )
    panels = [draw_dots(_rows(report, scores, measured), "AP, points")]
    table = (("arm", "score", "seed", "ap"), rows)
    return make_plot(
        "sizes", ("COCO AP and AP by size", caption), panels, table, arm_legend(report)
    )


def validation(report: Report) -> Plot | None:
    """Validation mAP while training, a panel per arm."""
    rows = [
        (arm["name"], course["seed"], epoch, value)
        for arm in report["arms"]
        for course in arm["validation"]
        for epoch, value in zip(course["epochs"], course["map50"], strict=True)
    ]
    values = [points(value) for *_, value in rows if value is not None]
    if not values:
        return None
    panels = []
    for i, arm in enumerate(report["arms"]):
        if not any(course["epochs"] for course in arm["validation"]):
            continue
        figure, axes = new_axes(190, shorten(arm["name"]), "epoch", "validation mAP, points")
        for course in arm["validation"]:
            look = arm_line(i) | {"linewidth": 1.1, "dashes": (None, None)}
            axes.plot(course["epochs"], _numbers(course["map50"]), **look)
        axes.set_xlim(0, 1.02 * max(epoch for _, _, epoch, _ in rows))
        axes.set_ylim(0, 1.05 * max(*values, 1))
        panels.append(figure)
    caption = (
        "A line per run, all panels on one scale. Where the lines still rise at the end, longer"
        " training could change the answer."
    )
    texts = ("Validation mAP while training", caption)
    return make_plot("validation", texts, panels, (("arm", "seed", "epoch", "map50"), rows))


def _numbers(values: list[float | None]) -> list[float]:
    return [float("nan") if value is None else 100 * value for value in values]


def _dot(index: int, spread: dict[str, Any]) -> Dot:
    values = [points(value) for value in spread["values"].values() if value is not None]
    return Dot(index, points(spread["mean"]), values)


def _rows(
    report: Report, spreads: Callable[[dict], dict[str, dict]], names: list[str]
) -> list[tuple[str, list[Dot]]]:
    arms = list(enumerate(report["arms"]))
    return [(name, [_dot(i, spreads(arm)[name]) for i, arm in arms]) for name in names]


def _by_seed(report: Report, spreads: Callable[[dict], dict[str, dict]]) -> list[Row]:
    """Arm, name, seed and value of everything that was measured."""
    return [
        (arm["name"], name, seed, value)
        for arm in report["arms"]
        for name, spread in spreads(arm).items()
        for seed, value in spread["values"].items()
        if value is not None
    ]
