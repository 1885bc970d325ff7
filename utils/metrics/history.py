"""The history of a training: reading it, its best epoch, and its curves as a picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from utils.draw import INK, save_figure, style_axes
from utils.errors import FileError, UserError
from utils.files.reading import read_csv
from utils.printable import brief

_TRAINING, _VALIDATION = "#1f77b4", "#e07b00"
_NAMES = {
    "lr": "learning rate",
    "images_per_second": "images per second",
    "waited_for_data": "share of time without data",
    "box": "box loss",
    "confidence": "confidence loss",
    "class": "class loss",
}


def read_history(path: str | Path) -> dict[str, np.ndarray]:
    """Read a table of numbers with a header line.

    Args:
        path: `history.csv` of a run, one line per epoch.

    Returns:
        float64 `[E]` by column name; NaN for an empty cell.

    Raises:
        UserError: the file is missing, has no `epoch` column, or a cell is not a number.
    """
    path = Path(path)
    head, *rows = read_csv(path) or [[]]
    if "epoch" not in head:
        raise FileError(path, f"found the columns {brief(head)}, but no 'epoch'")
    table = np.full((len(rows), len(head)), np.nan)
    for line, row in enumerate(rows):
        if len(row) != len(head):
            raise UserError(f"{path}:{line + 2}: {len(row)} cells under {len(head)} names")
        for column, cell in enumerate(row):
            try:
                table[line, column] = float(cell or "nan")
            except ValueError as error:
                raise UserError(f"{path}:{line + 2}: {brief(cell)} is not a number") from error
    return dict(zip(head, table.T, strict=True))


def best_epoch(history: Mapping[str, np.ndarray]) -> int | None:
    """The epoch whose weights training keeps as the best, or None if no mAP was measured.

    It has the highest validation mAP; if several have, the lowest validation loss among them
    decides, then the earliest.

    Args:
        history: from `read_history`.
    """
    row = _best_row(history["map50"], history.get("val_loss"))
    return None if row is None else int(history["epoch"][row])


def _best_row(scores: np.ndarray, losses: np.ndarray | None) -> int | None:
    losses = np.zeros(len(scores)) if losses is None else losses
    best = None
    for row in np.flatnonzero(~np.isnan(scores)):
        if best is None or (scores[row], -losses[row]) > (scores[best], -losses[best]):
            best = int(row)
    return best


def spans_far(values: np.ndarray) -> bool:
    """Whether values need a logarithmic scale: a linear one would flatten all but the largest."""
    return bool(len(values)) and 0 < 20 * values.min() < values.max()


def plot_history(history: str | Path, path: str | Path) -> None:
    """Draw every column against the epoch as PNG, training and validation in one panel.

    Args:
        history: `history.csv` of a run.
        path: the PNG file.

    Raises:
        UserError: as in `read_history`.
    """
    columns = read_history(history)
    epochs = columns.pop("epoch")
    measured = {name for name, values in columns.items() if not np.isnan(values).all()}
    scores = [name for name in columns if name in measured and name.lower().startswith("map")]
    panels = [n for n in columns if n not in scores and not n.startswith("val_")]
    panels = [n for n in panels if {n, f"val_{n}"} & measured]
    count = max(1, len(panels) + bool(scores))
    width = min(3, count)
    rows = -(-count // width)
    figure = Figure(figsize=(0.4 + 4.1 * width, 0.3 + 3.0 * rows), layout="constrained")
    grid = figure.subplots(rows, width, squeeze=False).ravel()
    if scores:
        _draw_scores(grid[0], epochs, {n: columns[n] for n in scores}, columns.get("val_loss"))
    for axes, name in zip(grid[bool(scores) :], panels, strict=False):
        _draw_term(axes, name, epochs, columns)
    for axes in grid[:count]:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axes in grid[count:]:
        axes.set_axis_off()
    save_figure(figure, path)


def _draw_term(axes: Axes, name: str, epochs: np.ndarray, columns: dict[str, np.ndarray]) -> None:
    style_axes(axes, _NAMES.get(name, name), "epoch", "")
    drawn = []
    pairs = ((name, "training", _TRAINING), (f"val_{name}", "validation", _VALIDATION))
    for column, legend, color in pairs:
        values = columns.get(column, np.full(len(epochs), np.nan))
        known = np.isfinite(values)
        if known.any():
            drawn.append(values[known])
            marker = "o" if known.sum() < 15 else ""
            style = {"marker": marker, "markersize": 3.5, "linewidth": 1.5, "label": legend}
            axes.plot(epochs[known], values[known], color=color, **style)
    if len(drawn) == 2:
        axes.legend(frameon=False, fontsize=9)
    together = np.concatenate(drawn) if drawn else np.zeros(1)
    if spans_far(together):
        axes.set_yscale("log")


def _draw_scores(
    axes: Axes, epochs: np.ndarray, scores: dict[str, np.ndarray], losses: np.ndarray | None
) -> None:
    style_axes(axes, "validation mAP", "epoch", "")
    for name, values in scores.items():
        known = np.isfinite(values)
        line = axes.plot(epochs[known], values[known], "o-", markersize=3.5, label=name)[0]
        best = _best_row(values, losses)
        axes.plot(epochs[best], values[best], "*", markersize=11, color=line.get_color())
        note = f"{values[best]:.3f}"
        offset = {"xytext": (0, 7), "textcoords": "offset points", "ha": "center"}
        axes.annotate(note, (epochs[best], values[best]), fontsize=9, color=INK, **offset)
    axes.set_ylim(0, 1.08)
    if len(scores) > 1:
        axes.legend(frameon=False, fontsize=9)
