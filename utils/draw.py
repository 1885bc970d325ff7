"""Draws labeled boxes on an image, legible at any image size."""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from utils.fonts import load_font

_SMALLEST_TEXT = 10
# Saturation and value of neighboring class indices.
_SHADES = ((0.85, 1.0), (0.55, 0.95), (1.0, 0.72))

Rectangle = tuple[float, float, float, float]


def class_color(label: int) -> tuple[int, int, int]:
    """RGB of a class, the same in every picture; neighboring classes differ clearly."""
    # Steps of the golden section never come back near a hue that was used shortly before.
    hue = (0.02 + label * 0.618034) % 1.0
    return tuple(round(255 * c) for c in colorsys.hsv_to_rgb(hue, *_SHADES[label % len(_SHADES)]))


def ink_color(ground: tuple[int, int, int]) -> tuple[int, int, int]:
    """White, or black where white would not be three times as bright as the ground."""
    red, green, blue = ((c / 255) ** 2.2 for c in ground)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return (0, 0, 0) if (1 + 0.05) / (luminance + 0.05) < 3 else (255, 255, 255)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """Draw each box in its class's color, with the class name and, where given, the score.

    Args:
        image: uint8 `[H, W, 3]` RGB; it is not changed.
        boxes: `[N, 4]`, xyxy in pixels of the image; drawn as far as they lie inside.
        labels: `[N]`, indices into `class_names`.
        class_names: names, in any script.
        scores: `[N]`; higher ones are drawn over lower ones.

    Returns:
        uint8 `[H, W, 3]` RGB.
    """
    picture = Image.fromarray(image)
    canvas = ImageDraw.Draw(picture)
    line = max(1, round(sum(picture.size) / 560))
    size = max(_SMALLEST_TEXT, round(min(picture.size) / 36))
    order = range(len(labels)) if scores is None else np.argsort(scores, kind="stable")
    boxes = np.clip(np.asarray(boxes, np.float64).reshape(-1, 4), 0, np.tile(picture.size, 2))
    boxes = np.round(boxes)
    for i in order:
        x1, y1, x2, y2 = boxes[i].tolist()
        corners = (x1, y1, max(x1, x2 - 1), max(y1, y2 - 1))
        canvas.rectangle(corners, outline=class_color(labels[i]), width=line)
    # The best tag chooses its place first, and lies on top where tags must overlap.
    tags: list[_Tag] = []
    for i in reversed(order):
        text = class_names[labels[i]] + ("" if scores is None else f" {scores[i]:.2f}")
        tag = _Tag(text, class_color(labels[i]), size, picture.size)
        tag.place(boxes[i], line, [other.rectangle for other in tags])
        tags.append(tag)
    for tag in reversed(tags):
        tag.draw(canvas)
    return np.array(picture)


class _Tag:
    """A text on a colored ground, kept inside the picture and off other tags where possible."""

    def __init__(
        self, text: str, color: tuple[int, int, int], size: int, picture_size: tuple[int, int]
    ) -> None:
        self.text = " ".join(text.split())
        self.color = color
        self.picture_size = picture_size
        self.font = load_font(self.text, size)
        self.pad = max(1, size // 6)
        self._shorten()
        width = int(self.font.getlength(self.text)) + 1 + 2 * self.pad
        self.size = (width, sum(self.font.getmetrics()) + 1)
        self.rectangle: Rectangle = (0, 0, *self.size)

    def _shorten(self) -> None:
        room = self.picture_size[0] - 2 * self.pad - 1
        while len(self.text) > 1 and self.font.getlength(self.text) > room:
            self.text = self.text[:-2] + "…"

    def place(self, box: np.ndarray, line: int, taken: Sequence[Rectangle]) -> None:
        """Above the box, else inside it where that leaves most of it free, else below it."""
        right, bottom = (max(0, p - s) for p, s in zip(self.picture_size, self.size, strict=True))
        x, y1, y2 = min(box[0], right), box[1], box[3]
        tops = [y1 - self.size[1], y2]
        if y2 - y1 > 3 * self.size[1]:
            tops[1:1] = [y1 + line, y2 - line - self.size[1]]
        tops = [top for top in tops if 0 <= top <= bottom] or [min(y1, bottom)]
        places = [(x, y, x + self.size[0], y + self.size[1]) for y in tops]
        free = (p for p in places if not any(_overlap(p, other) for other in taken))
        self.rectangle = next(free, places[0])

    def draw(self, canvas: ImageDraw.ImageDraw) -> None:
        """Fill the ground and write the text on it."""
        x1, y1, x2, y2 = self.rectangle
        canvas.rectangle((x1, y1, x2 - 1, y2 - 1), fill=self.color)
        start = (x1 + self.pad, y1)
        canvas.text(start, self.text, ink_color(self.color), self.font, anchor="la")


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
