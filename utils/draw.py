"""Boxes with captions on an image, readable at any size and in any script; the style of plots."""

import colorsys
import io
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib import font_manager, ft2font
from PIL import Image, ImageDraw, ImageFont

from utils.files.writing import MODEL_DATA, write_atomically
from utils.records import Detections, Record

if TYPE_CHECKING:  # drawing boxes starts sooner without them
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Fonts that a user puts here are tried first.
FONT_FOLDER = MODEL_DATA

INK = "#333333"
"""Color of the text and ticks of a plot."""

_GRID = "#dddddd"
_MIN_TEXT_SIZE = 10
# Saturation and value, in turn, of consecutive class indices.
_SHADES = ((0.85, 1.0), (0.55, 0.95), (1.0, 0.72))

Color = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]


@lru_cache
def class_color(label: int) -> Color:
    """RGB color of a class, the same in every image; consecutive classes differ clearly."""
    # Steps of the golden ratio keep every hue far from those shortly before it.
    hue = (0.02 + label * 0.618034) % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, *_SHADES[label % len(_SHADES)])
    return round(255 * red), round(255 * green), round(255 * blue)


def text_color(background: Color) -> Color:
    """White, or black if the contrast of white with the background is below 3."""
    red, green, blue = ((c / 255) ** 2.2 for c in background)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (0, 0, 0) if (1 + 0.05) / (luminance + 0.05) < 3 else (255, 255, 255)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """Draw each box in the color of its class, with the class name and the score if given.

    Args:
        image: uint8 `[H, W, 3]` RGB; it is not changed.
        boxes: `[N, 4]`, xyxy in pixels of the image; clipped to the image.
        labels: `[N]`, indices into `class_names`.
        class_names: names, in any script.
        scores: `[N]`; boxes with higher scores are drawn over those with lower ones.

    Returns:
        uint8 `[H, W, 3]` RGB.
    """
    drawn = image.copy()
    height, width = image.shape[:2]
    line_width = max(1, round((width + height) / 560))
    text_size = max(_MIN_TEXT_SIZE, round(min(width, height) / 36))
    order = range(len(labels)) if scores is None else np.argsort(scores, kind="stable")
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    boxes = np.round(np.clip(boxes, 0, (width, height, width, height))).astype(int)
    for i in order:
        _draw_outline(drawn, boxes[i].tolist(), class_color(labels[i]), line_width)
    # The caption of the best score is placed first, and drawn last if captions must overlap.
    placed: list[tuple[np.ndarray, Rectangle]] = []
    for i in reversed(order):
        name = class_names[int(labels[i])]
        text = name if scores is None else f"{name} {scores[i]:.2f}"
        caption = _caption(text, class_color(labels[i]), text_size, width, FONT_FOLDER)
        occupied = [rectangle for _, rectangle in placed]
        placed.append((caption, _place(caption, boxes[i].tolist(), drawn, line_width, occupied)))
    for caption, (x1, y1, x2, y2) in reversed(placed):
        drawn[y1:y2, x1:x2] = caption[: height - y1, : width - x1]
    return drawn


def draw_truth_and_detections(
    image: np.ndarray,
    record: Record,
    found: Detections,
    class_names: Sequence[str],
    threshold: float,
) -> np.ndarray:
    """Draw the annotated objects on the left and the detections on the right.

    Args:
        image: uint8 `[H, W, 3]` RGB, the record's image in any size.
        record: the objects.
        found: detections, boxes in pixels of the record's image.
        class_names: names that the labels index.
        threshold: lowest score of a detection that is drawn.

    Returns:
        uint8 `[H, 2 W, 3]` RGB.
    """
    scale, kept = image.shape[1] / record.size[0], found.scores >= threshold
    boxes, labels = found.boxes[kept] * scale, found.labels[kept]
    truth = draw_boxes(image, record.boxes * scale, record.labels, class_names)
    detected = draw_boxes(image, boxes, labels, class_names, found.scores[kept])
    return np.concatenate([truth, detected], axis=1)


def _draw_outline(image: np.ndarray, box: Sequence[int], color: Color, line_width: int) -> None:
    x1, y1, x2, y2 = box
    inside = image[y1 : max(y1 + 1, y2), x1 : max(x1 + 1, x2)]
    inside[:line_width] = inside[-line_width:] = color
    inside[:, :line_width] = inside[:, -line_width:] = color


# The detections of a video's frames, or of a folder, have few captions, many times each.
@lru_cache(maxsize=512)
def _caption(
    text: str, color: Color, text_size: int, max_width: int, font_folder: Path
) -> np.ndarray:
    """Text on a colored background, uint8 `[h, w, 3]` RGB; it is shortened to the width."""
    text = " ".join(text.split())
    font = _open_font(_font_with(_letters(text), font_folder), text_size)
    padding = max(1, text_size // 6)
    while len(text) > 1 and font.getlength(text) > max_width - 2 * padding - 1:
        text = text[:-2] + "…"
    width = int(font.getlength(text)) + 1 + 2 * padding
    caption = Image.new("RGB", (width, sum(font.getmetrics()) + 1), color)
    ImageDraw.Draw(caption).text((padding, 0), text, text_color(color), font, anchor="la")
    return np.array(caption)


def _place(
    caption: np.ndarray,
    box: Sequence[int],
    image: np.ndarray,
    line_width: int,
    occupied: Sequence[Rectangle],
) -> Rectangle:
    """Choose a position: above the box, inside it if it is tall enough, or else below it."""
    height, width = caption.shape[:2]
    max_x, max_y = max(0, image.shape[1] - width), max(0, image.shape[0] - height)
    x, y1, y2 = min(box[0], max_x), box[1], box[3]
    tops = [y1 - height, y2]
    if y2 - y1 > 3 * height:
        tops[1:1] = [y1 + line_width, y2 - line_width - height]
    tops = [top for top in tops if 0 <= top <= max_y] or [min(y1, max_y)]
    candidates = [(x, y, x + width, y + height) for y in tops]
    free = (c for c in candidates if not any(_overlap(c, other) for other in occupied))
    return next(free, candidates[0])


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def font_file(text: str) -> Path:
    """Find a font that has every letter of the text.

    Candidates, in this order: the fonts in `model_data/`, DejaVu Sans (which comes with
    matplotlib), the system's fonts. If none has all letters, a warning names the missing ones, and
    DejaVu Sans draws an empty box for each.
    """
    return _font_with(_letters(text), FONT_FOLDER)


def _letters(text: str) -> frozenset[str]:
    return frozenset(c for c in text if unicodedata.category(c)[0] not in "CZ")


@lru_cache
def _open_font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache
def _font_with(letters: frozenset[str], folder: Path) -> Path:
    bundled = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for path in _candidates(folder, bundled):
        if all(ord(letter) in _characters(path) for letter in letters):
            return path
    missing = "".join(sorted(c for c in letters if ord(c) not in _characters(bundled)))
    warnings.warn(
        f"no font has {missing!r}; put a .ttf or .otf that has it into {folder}", stacklevel=3
    )
    return bundled


def _candidates(folder: Path, bundled: Path) -> Iterator[Path]:
    yield from sorted(p for p in folder.glob("*") if p.suffix.lower() in (".ttf", ".otf", ".ttc"))
    yield bundled
    yield from sorted(Path(p) for p in font_manager.findSystemFonts())


@lru_cache
def _characters(path: Path) -> frozenset[int]:
    """The code points of a font, none if the file is not a scalable font."""
    try:
        ImageFont.truetype(path, 12)
        return frozenset(ft2font.FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()


def save_figure(figure: "Figure", path: str | Path) -> None:
    """Write a figure as PNG, atomically."""
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=130)
    write_atomically(path, data.getvalue())


def style_axes(axes: "Axes", title: str, x_label: str, y_label: str) -> None:
    """Draw an unobtrusive frame and grid, a title on the left, and axis labels."""
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.set_xlabel(x_label, color=INK)
    axes.set_ylabel(y_label, color=INK)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
