"""The figures of the page: classes, sizes, shapes and anchors, images."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes

from utils.inspection.objects import Objects
from utils.metrics.coco_map import LARGE, SMALL
from utils.page.bars import Bar, draw_bars, draw_columns, log2_axis
from utils.page.plot import Plot, area_legend, make_plot
from utils.page.svg import FONT_SIZE, color, new_axes, series_marker
from yolo4.data.summary import Summary

# Color variables of the page.
SPLIT_COLORS = {"train": "series-2", "val": "series-3", "test": "series-1"}
_ROWS = 12
_HEIGHT = 210
_MOST_POINTS = 1500
_MOST_COLUMNS = 32
_BINS_AN_OCTAVE = 3


def class_counts(summary: Summary) -> Plot:
    """Objects by class and split."""
    entries = summary["classes"][::-1]
    too_many = len(entries) > 2 * _ROWS
    groups = [entries[:_ROWS], entries[-_ROWS:] if too_many else entries[_ROWS:]]
    titles = ("the most frequent classes", "the rarest") if too_many else ("", "")
    panels = [
        draw_bars([(e["name"], _parts(e["objects"])) for e in group], "objects", title)
        for title, group in zip(titles, groups, strict=True)
        if group
    ]
    splits = [split["name"] for split in summary["splits"]]
    caption = "Each panel has its own scale." if len(panels) > 1 else ""
    if too_many:
        caption += f" {2 * _ROWS} of {len(entries)} classes; the table has all."
    rows = [(e["name"], *(e["objects"][split] for split in splits)) for e in entries]
    return make_plot(
        "class-counts",
        ("Objects by class", caption.strip()),
        panels,
        (("class", *splits), rows),
        area_legend({SPLIT_COLORS[split]: split for split in splits}),
    )


def _parts(objects: dict[str, int]) -> Bar:
    return [(SPLIT_COLORS[split], count) for split, count in objects.items()]


def object_sizes(summary: Summary, objects: Objects) -> Plot:
    """The side of a square of the same area as each box, in the image and in the input."""
    drawn = (
        ("in pixels of the image", objects.sides, {SMALL: "small", LARGE: "medium"}, "large"),
        (
            f"in pixels of the input, {summary['input']}",
            objects.input_sides,
            {summary["cell"]: "lost"},
            "",
        ),
    )
    panels, rows = [], []
    for title, sides, limits, beyond in drawn:
        figure, axes = new_axes(_HEIGHT, title, "√area, pixels", "objects")
        edges = _log_bins(sides)
        counts = np.histogram(sides, edges)[0]
        draw_columns(axes, edges, counts, "hard")
        log2_axis(axes, edges[0], edges[-1])
        _draw_limits(axes, sides, limits, beyond)
        panels.append(figure)
        rows += [(title, *row) for row in zip(edges[:-1], edges[1:], counts, strict=True)]
    caption = (
        "First COCO's small, medium and large objects, then as the network sees them. An object"
        f" of less than {summary['cell']}x{summary['cell']} pixels there is smaller than a cell of"
        " the finest grid, and mostly lost."
    )
    head = ("where", "from", "to", "objects")
    return make_plot("object-sizes", ("Objects by size", caption), panels, (head, rows))


def _log_bins(values: np.ndarray) -> np.ndarray:
    """Edges of bins of equal width on a logarithmic scale, around all values."""
    low, high = np.floor(np.log2(values.min())), np.ceil(np.log2(values.max()) + 1e-9)
    return 2.0 ** np.linspace(low, high, int(high - low) * _BINS_AN_OCTAVE + 1)


def _draw_limits(axes: Axes, sides: np.ndarray, limits: dict[int, str], beyond: str) -> None:
    """Draw lines at limits, and above each range its name and its share of the objects."""
    low, high = axes.get_xlim()
    edges = [low, *limits, high]
    axes.margins(y=0.2)
    for limit in limits:
        if low < limit < high:
            axes.axvline(limit, color=color("positive"), linewidth=1.2, dashes=(4, 3))
    for left, right, name in zip(edges, edges[1:], [*limits.values(), beyond], strict=False):
        share = float(((sides >= left) & (sides < right)).mean())
        start, end = max(left, low), min(right, high)
        if name and start < end and share > 0:
            # At the middle of the range, on the logarithmic scale; narrow ranges have no room.
            axes.annotate(
                f"{name} {share:.0%}",
                ((start * end) ** 0.5, 0.97),
                xycoords=("data", "axes fraction"),
                ha="center",
                va="top",
                fontsize=FONT_SIZE,
                color=color("ink"),
            )


def shapes(summary: Summary, objects: Objects) -> Plot:
    """Width and height of the boxes in the input, with the network's anchors and those of auto."""
    rows = _sample(len(objects))
    sizes = objects.input_sizes[rows]
    low = max(1.0, float(sizes.min()))
    sets = _anchor_sets(summary)
    sides = [
        side for _, _, found in sets for a in found["anchors"] for side in (a["width"], a["height"])
    ]
    high = max(float(sizes.max()), *sides)
    panels = []
    for series, title, found in sets:
        figure, axes = new_axes(300, title, "width, pixels of the input", "height")
        dots = {"color": color("easy"), "markersize": 2.6, "markeredgewidth": 0, "alpha": 0.8}
        axes.plot(*np.maximum(sizes, low).T, "o", **dots)
        look = series_marker(series) | {"markersize": 7.5, "markeredgecolor": color("ground")}
        for anchor in found["anchors"]:
            axes.plot(anchor["width"], anchor["height"], **look)
        for which in "xy":
            log2_axis(axes, low * 0.9, high * 1.15, which)
        panels.append(figure)
    caption = f"One dot for each of {len(rows):,} objects"
    caption += f", a random sample of {len(objects):,}." if len(rows) < len(objects) else "."
    caption += " The large points are the anchors."
    table = (("width", "height"), sizes.round(2).tolist())
    return make_plot("shapes", ("Shapes of the objects", caption), panels, table)


def _anchor_sets(summary: Summary) -> list[tuple[int, str, dict]]:
    """Series, title and anchors of the network's own, and of k-means if there are enough boxes."""
    names = {"own": f"{summary['network']}'s own anchors", "auto": "--anchors auto"}
    return [
        (series, names[kind], found)
        for series, (kind, found) in enumerate(summary["anchors"].items(), start=1)
        if kind in names and found
    ]


def anchor_counts(summary: Summary) -> Plot:
    """How many objects fit each anchor best."""
    panels, rows = [], []
    for series, name, found in _anchor_sets(summary):
        bars = [
            (_anchor_name(anchor), [(f"series-{series}", anchor["objects"])])
            for anchor in found["anchors"]
        ]
        title = f"{name}: mean IoU {found['fit']:.2f}" if found["fit"] else name
        panels.append(draw_bars(bars, "objects", title))
        rows += [(name, *anchor.values()) for anchor in found["anchors"]]
    split = summary["splits"][0]["name"]
    caption = (
        f"Each object of {split} counts for the anchor whose shape it overlaps most. An anchor with"
        " few objects trains few predictors."
    )
    head = ("anchors", "width", "height", "stride", "objects")
    return make_plot("anchor-counts", ("Objects by anchor", caption), panels, (head, rows))


def _anchor_name(anchor: dict) -> str:
    return "{width:.0f} x {height:.0f}, stride {stride}".format(**anchor)


def objects_per_image(objects: Objects) -> Plot:
    """How many images have how many objects."""
    counts = np.bincount(objects.image, minlength=len(objects.records))
    step = max(1, -(-(int(counts.max()) + 1) // _MOST_COLUMNS))
    edges = np.arange(0, counts.max() + step + 1, step)
    images = np.histogram(counts, edges)[0]
    figure, axes = new_axes(_HEIGHT, "", "objects in an image", "images")
    draw_columns(axes, edges - 0.5, images, "hard")
    empty = int((counts == 0).sum())
    caption = f"{empty:,} of {len(counts):,} images have none; the mean is {counts.mean():.1f}."
    rows = list(zip(edges[:-1].tolist(), (edges[1:] - 1).tolist(), images.tolist(), strict=True))
    table = (("from", "to", "images"), rows)
    return make_plot("per-image", ("Objects per image", caption), [figure], table)


def image_sizes(summary: Summary, objects: Objects) -> Plot | None:
    """Width and height of the images; None if all have the same."""
    if summary["image_sizes"]["distinct"] == 1:
        return None
    sizes = np.array([record.size for record in objects.records])
    unique, counts = np.unique(sizes, axis=0, return_counts=True)
    rows = _sample(len(unique))
    figure, axes = new_axes(300, "", "width, pixels", "height")
    areas = 6 + 60 * counts[rows] / counts.max()
    axes.scatter(*unique[rows].T, s=areas, color=color("hard"), alpha=0.5, linewidths=0)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    caption = f"{len(unique):,} different sizes; larger points stand for more images."
    if len(rows) < len(unique):
        caption += f" {len(rows):,} of them are drawn."
    table: Iterable = np.column_stack([unique, counts])[rows].tolist()
    texts = ("Image sizes", caption)
    return make_plot("image-sizes", texts, [figure], (("width", "height", "images"), table))


def _sample(count: int) -> np.ndarray:
    """Indices of at most `_MOST_POINTS`, drawn with a fixed seed."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    return np.sort(np.random.default_rng(0).choice(count, _MOST_POINTS, replace=False))
