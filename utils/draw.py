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
Rectangle = tuple[float, float, float, float]


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
    drawn = Image.fromarray(image)
    canvas = ImageDraw.Draw(drawn)
    line_width = max(1, round(sum(drawn.size) / 560))
    text_size = max(_MIN_TEXT_SIZE, round(min(drawn.size) / 36))
    order = range(len(labels)) if scores is None else np.argsort(scores, kind="stable")
    boxes = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0, np.tile(drawn.size, 2))
    boxes = np.round(boxes)
    for i in order:
        x1, y1, x2, y2 = boxes[i].tolist()
        corners = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
        canvas.rectangle(corners, outline=class_color(labels[i]), width=line_width)
    # The caption of the best score is placed first, and drawn last if captions must overlap.
    captions: list[_Caption] = []
    for i in reversed(order):
        name = class_names[int(labels[i])]
        text = name if scores is None else f"{name} {scores[i]:.2f}"
        caption = _Caption(text, class_color(labels[i]), text_size, drawn.size)
        caption.place(boxes[i], line_width, [other.rectangle for other in captions])
        captions.append(caption)
    for caption in reversed(captions):
        caption.draw(canvas)
    return np.array(drawn)


class _Caption:
    """Text on a colored background, inside the image and apart from other captions if possible."""

    def __init__(
        self, text: str, color: Color, text_size: int, image_size: tuple[int, int]
    ) -> None:
        self.text = " ".join(text.split())
        self.color = color
        self.image_size = image_size
        self.font = load_font(self.text, text_size)
        self.padding = max(1, text_size // 6)
        self._shorten()
        width = int(self.font.getlength(self.text)) + 1 + 2 * self.padding
        self.size = (width, sum(self.font.getmetrics()) + 1)
        self.rectangle: Rectangle = (0, 0, *self.size)

    def _shorten(self) -> None:
        max_width = self.image_size[0] - 2 * self.padding - 1
        while len(self.text) > 1 and self.font.getlength(self.text) > max_width:
            self.text = self.text[:-2] + "…"

    def place(self, box: np.ndarray, line_width: int, occupied: Sequence[Rectangle]) -> None:
        """Choose a position: above the box, inside it if it is tall enough, or else below it."""
        max_x, max_y = (max(0, p - s) for p, s in zip(self.image_size, self.size, strict=True))
        x, y1, y2 = min(box[0], max_x), box[1], box[3]
        tops = [y1 - self.size[1], y2]
        if y2 - y1 > 3 * self.size[1]:
            tops[1:1] = [y1 + line_width, y2 - line_width - self.size[1]]
        tops = [top for top in tops if 0 <= top <= max_y] or [min(y1, max_y)]
        candidates = [(x, y, x + self.size[0], y + self.size[1]) for y in tops]
        free = (c for c in candidates if not any(_overlap(c, other) for other in occupied))
        self.rectangle = next(free, candidates[0])

    def draw(self, canvas: ImageDraw.ImageDraw) -> None:
        """Fill the background and draw the text on it."""
        x1, y1, x2, y2 = self.rectangle
        canvas.rectangle((x1, y1, x2 - 1, y2 - 1), fill=self.color)
        start = (x1 + self.padding, y1)
        canvas.text(start, self.text, text_color(self.color), self.font, anchor="la")


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def font_file(text: str) -> Path:
    """Find a font that has every letter of the text.

    Candidates, in this order: the fonts in `model_data/`, DejaVu Sans (which comes with
    matplotlib), the system's fonts. If none has all letters, a warning names the missing ones, and
    DejaVu Sans draws an empty box for each.
    """
    letters = frozenset(c for c in text if unicodedata.category(c)[0] not in "CZ")
    return _font_with(letters, FONT_FOLDER)


def load_font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Open `font_file(text)` for Pillow; the size is in pixels."""
    return _open_font(font_file(text), size)


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
