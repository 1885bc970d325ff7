"""The outcome: every run, AP by class and size, validation mAP."""

from collections.abc import Callable
from typing import Any

from utils.page.dots import Dot, draw_dots, shorten
from utils.page.plot import Plot, Row, make_plot, points
from utils.page.svg import new_axes, series_line
from yolo4.compare.report.figures.common import Report, arm_legend, with_gaps

# More classes than this would make the figure several pages long.
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
    caption = "The point is the mean over the seeds, rings are single runs."
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
    caption = "Points are means over the seeds, rings are single runs."
    if len(measured) > len(shown):
        caption += (
            f" The {len(shown)} of {len(measured)} classes on which the arms differ most are drawn;"
            " the table and the CSV file hold all."
        )
    table = (("arm", "class", "seed", "ap"), rows)
    return make_plot("classes", ("AP by class", caption), panels, table, arm_legend(report))


def coco_scores(report: Report) -> Plot | None:
    """COCO's AP at several IoU thresholds and by object size."""

    def scores(arm: dict[str, Any]) -> dict[str, Any]:
        return {words: arm["metrics"][name] for name, words in _SCORES.items()}

    rows = _by_seed(report, scores)
    measured = list(dict.fromkeys(name for _, name, _, _ in rows))
    if not measured:
        return None
    caption = (
        "COCO's average precision, over ten IoU thresholds and by object size. Sizes of which the"
        " images have no object are left out."
    )
    panels = [draw_dots(_rows(report, scores, measured), "AP, points")]
    table = (("arm", "score", "seed", "ap"), rows)
    return make_plot(
        "sizes", ("COCO AP and AP by size", caption), panels, table, arm_legend(report)
    )


def validation(report: Report) -> Plot | None:
    """Validation mAP during training, one panel per arm."""
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
            look = series_line(i) | {"linewidth": 1.1, "dashes": (None, None)}
            axes.plot(course["epochs"], 100 * with_gaps(course["map50"]), **look)
        axes.set_xlim(0, 1.02 * max(epoch for _, _, epoch, _ in rows))
        axes.set_ylim(0, 1.05 * max(*values, 1.0))
        panels.append(figure)
    caption = (
        "One line per run, the same scale in all panels. If the lines still rise at the end, longer"
        " training could change the answer."
    )
    texts = ("Validation mAP during training", caption)
    return make_plot("validation", texts, panels, (("arm", "seed", "epoch", "map50"), rows))


def _dot(index: int, by_seed: dict[str, Any]) -> Dot:
    values = [points(value) for value in by_seed["values"].values() if value is not None]
    mean = by_seed["mean"]
    return Dot(index, None if mean is None else points(mean), values)


def _rows(
    report: Report, scores: Callable[[dict], dict[str, dict]], names: list[str]
) -> list[tuple[str, list[Dot]]]:
    arms = list(enumerate(report["arms"]))
    return [(name, [_dot(i, scores(arm)[name]) for i, arm in arms]) for name in names]


def _by_seed(report: Report, scores: Callable[[dict], dict[str, dict]]) -> list[Row]:
    """Arm, name, seed and value of every score that was measured."""
    return [
        (arm["name"], name, seed, value)
        for arm in report["arms"]
        for name, by_seed in scores(arm).items()
        for seed, value in by_seed["values"].items()
        if value is not None
    ]
