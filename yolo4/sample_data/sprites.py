"""Draws the sprites of the sample images: an object for each of four classes, and pebbles.

All variation comes from a `numpy.random.Generator`, so the same seed gives the same pixels. Colors
are RGB. A shape is drawn upright on a canvas `-1..1` wide and rotated before it is shaded, so that
the light of an image always comes from the same side.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

from yolo4.sample_data.rotation import rotate

Rng = np.random.Generator
Color = Sequence[float] | np.ndarray

_LIGHT = (-0.451, -0.551, 0.702)  # unit vector to the light: upper left, toward the viewer


@dataclass(frozen=True, eq=False)
class Sprite:
    """A shaded object, ready to be pasted into an image.

    Attributes:
        color: float32 `[H, W, 3]`, RGB 0..255.
        alpha: float32 `[H, W]`, 0 where the sprite is transparent and 1 where it is opaque.
    """

    color: np.ndarray
    alpha: np.ndarray


class _Canvas:
    """A square to draw on, `-1..1` in both directions, y pointing down.

    It starts filled with the object's color, so that no other color bleeds in at the outline.
    """

    def __init__(self, size: float, color: Color) -> None:
        self.oversample = 2 if size > 32 else 3
        self.side = max(24, round(size * self.oversample))
        self.color = np.full((self.side, self.side, 3), color, np.uint8)
        self.alpha = np.zeros((self.side, self.side), np.uint8)

    def points(self, xy: ArrayLike) -> np.ndarray:
        """Convert canvas coordinates `[N, 2]` to pixels."""
        return np.round((np.asarray(xy, np.float32) + 1) * (self.side / 2)).astype(np.int32)

    def polygon(self, xy: ArrayLike, color: Color | None = None) -> None:
        """Add a polygon to the object, in the canvas color or the given one."""
        cv2.fillPoly(self.alpha, [self.points(xy)], 255)
        if color is not None:
            self.paint(xy, color)

    def hole(self, xy: ArrayLike) -> None:
        """Cut a polygon out of the object."""
        cv2.fillPoly(self.alpha, [self.points(xy)], 0)

    def paint(self, xy: ArrayLike, color: Color) -> None:
        """Color a polygon without extending the object's outline."""
        cv2.fillPoly(self.color, [self.points(xy)], tuple(map(float, color)))

    def line(self, xy: ArrayLike, color: Color, width: float, solid: bool = False) -> None:
        """Draw a polyline; a solid one extends the object's outline."""
        thickness = max(1, round(width * self.side / 2))
        points = [self.points(xy)]
        cv2.polylines(self.color, points, False, tuple(map(float, color)), thickness)
        if solid:
            cv2.polylines(self.alpha, points, False, 255, thickness)

    def finish(self, angle: float, bevel: float, shine: float) -> Sprite:
        """Rotate, shade and shrink the drawing.

        Args:
            angle: rotation in degrees.
            bevel: width of the rounded edge, as a fraction of half the canvas.
            shine: strength of the highlight, 0..1.
        """
        color, alpha = rotate(self.color, self.alpha, angle)
        shaded = _shade(color, alpha, bevel * self.side / 2, shine)
        small = (self.side // self.oversample,) * 2
        return Sprite(
            np.clip(cv2.resize(shaded, small, interpolation=cv2.INTER_AREA), 0, 255),
            cv2.resize(alpha, small, interpolation=cv2.INTER_AREA).astype(np.float32) / 255,
        )


def as_rgb(plane: ArrayLike) -> np.ndarray:
    """Repeat `[H, W]` as float32 `[H, W, 3]`; NumPy multiplies a copy much faster than a view."""
    return cv2.cvtColor(np.asarray(plane, np.float32), cv2.COLOR_GRAY2RGB)


def _shade(color: np.ndarray, alpha: np.ndarray, bevel: float, shine: float) -> np.ndarray:
    """Shade a flat drawing as if its edge were rounded over `bevel` pixels."""
    inside = cv2.copyMakeBorder((alpha > 127).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    distance = cv2.distanceTransform(inside, cv2.DIST_L2, 5)[1:-1, 1:-1]
    fraction = np.clip(distance / max(bevel, 1), 0, 1)
    height = max(bevel, 1) * np.sqrt(1 - (1 - fraction) ** 2)
    height = cv2.GaussianBlur(height, (0, 0), max(0.6, bevel / 8))
    gradient_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=1 / 8)
    gradient_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=1 / 8)
    length = np.sqrt(gradient_x * gradient_x + gradient_y * gradient_y + 1)
    facing = (-gradient_x * _LIGHT[0] - gradient_y * _LIGHT[1] + _LIGHT[2]) / length
    mirrored = np.clip(2 * facing / length - _LIGHT[2], 0, 1)
    diffuse = 0.35 + 0.85 * np.clip(facing, 0, 1)
    return color * as_rgb(diffuse) + as_rgb(255 * shine * cv2.pow(mirrored, 18))


def vary(rng: Rng, color: Color, spread: float = 14) -> np.ndarray:
    """A color near the given one, mostly lighter or darker, slightly different in hue."""
    shift = rng.normal(0, spread) + rng.normal(0, spread / 3, 3)
    return np.clip(np.asarray(color) + shift, 0, 255).astype(np.float32)


def _ellipse(cx: float, cy: float, rx: float, ry: float, count: int = 48) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], 1)


def apple(rng: Rng, size: float) -> Sprite:
    """A red, green or yellow apple with a stem."""
    skins = [(196, 34, 40), (176, 26, 44), (128, 172, 52), (222, 172, 56)]
    skin = vary(rng, skins[rng.choice(4, p=[0.35, 0.25, 0.25, 0.15])])
    canvas = _Canvas(size, skin)
    angles = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    # A circle with a dip at the stem and a shallow one at the bottom, where it is narrower.
    dip = 0.24 * np.exp(-((angles - 1.5 * np.pi) ** 2) / 0.14)
    bottom = 0.07 * np.exp(-((angles - 0.5 * np.pi) ** 2) / 0.08)
    radius = 0.84 * (1 - dip - bottom)
    x = radius * np.cos(angles) * rng.uniform(0.96, 1.06) * (1 - 0.10 * np.sin(angles))
    outline = np.stack([x, radius * np.sin(angles) + 0.06], 1)
    canvas.polygon(outline)
    blush = vary(rng, (232, 178, 70) if skin[0] > 150 else (196, 96, 60))
    for start in rng.uniform(-0.8, 0.8, 22):
        bend = np.linspace(-0.75, 0.8, 9)
        streak = np.stack([start * np.sqrt(np.clip(1 - bend**2, 0.05, 1)), bend], 1)
        canvas.line(streak, 0.72 * skin + 0.28 * blush, rng.uniform(0.015, 0.06))
    canvas.paint(_ellipse(0, -0.58, 0.17, 0.06), 0.55 * skin)
    stem = np.array([[0, -0.56], [0.03, -0.78], [rng.uniform(-0.2, 0.2), -0.96]])
    canvas.line(stem, vary(rng, (92, 62, 36), 8), 0.09, solid=True)
    return canvas.finish(rng.uniform(-60, 60), bevel=0.80, shine=0.55)


def leaf(rng: Rng, size: float) -> Sprite:
    """A pointed leaf, green or autumn-colored, with its veins."""
    blades = [(74, 130, 48), (112, 154, 54), (206, 138, 40), (178, 84, 34), (190, 166, 62)]
    blade = vary(rng, blades[rng.integers(len(blades))])
    canvas = _Canvas(size, blade)
    along = np.linspace(0, 1, 40)
    bend = rng.uniform(-0.25, 0.25)
    half = rng.uniform(0.34, 0.5) * np.sin(np.pi * along**0.8) ** rng.uniform(0.75, 1.0)
    middle = np.stack([bend * (1 - (2 * along - 1) ** 2), 0.62 - 1.54 * along], 1)
    teeth = 0.02 * np.abs(np.sin(along * np.pi * 9))
    right = middle + np.stack([half + teeth, np.zeros_like(half)], 1)
    left = middle - np.stack([half + teeth, np.zeros_like(half)], 1)
    canvas.polygon(np.concatenate([right, left[::-1]]))
    canvas.paint(np.concatenate([right, middle[::-1]]), 0.88 * blade)
    vein = 0.55 * blade + 0.45 * np.array([238, 232, 180])
    for at in range(5, 34, 5):
        for sign in (-1, 1):
            tip = middle[at] + [sign * 0.86 * half[at], -0.16 - 0.1 * half[at]]
            canvas.line(np.stack([middle[at], tip]), vein, 0.025)
    canvas.line(np.concatenate([[[middle[0, 0], 0.95]], middle]), vein, 0.05)
    stalk = np.array([[middle[0, 0] + rng.uniform(-0.1, 0.1), 0.95], middle[0]])
    canvas.line(stalk, 0.8 * vein, 0.06, solid=True)
    return canvas.finish(rng.uniform(0, 360), bevel=0.12, shine=0.10)


def ladybird(rng: Rng, size: float) -> Sprite:
    """A spotted ladybird seen from above; the small class."""
    shells = [(212, 36, 28), (226, 70, 24), (190, 24, 30)]
    shell = vary(rng, shells[rng.integers(len(shells))], 8)
    canvas = _Canvas(size, shell)
    black = (20, 18, 22)
    canvas.polygon(_ellipse(0, -0.58, 0.42, 0.34), black)
    canvas.polygon(_ellipse(0, 0.10, 0.74, 0.82), shell)
    canvas.paint(_ellipse(-0.22, -0.68, 0.10, 0.08), (240, 236, 226))
    canvas.paint(_ellipse(0.22, -0.68, 0.10, 0.08), (240, 236, 226))
    canvas.line(np.array([[0, -0.7], [0, 0.9]]), black, 0.07)
    spot = rng.uniform(0.15, 0.19)
    for x, y in ((0.36, -0.20), (0.44, 0.30), (0.22, 0.64)):
        for sign in (-1, 1):
            canvas.paint(_ellipse(sign * x, y, spot, spot), black)
    return canvas.finish(rng.uniform(0, 360), bevel=0.7, shine=0.5)


def key(rng: Rng, size: float) -> Sprite:
    """A brass or steel key; the rare class."""
    metal = vary(rng, [(206, 166, 74), (176, 178, 186)][rng.integers(2)], 8)
    canvas = _Canvas(size, metal)
    bow = rng.uniform(0.40, 0.48)
    canvas.polygon([(-0.12, -0.4), (0.12, -0.4), (0.12, 0.88), (-0.12, 0.88)])
    for at in (0.80, 0.60, 0.40)[: rng.integers(2, 4)]:
        reach = rng.uniform(0.36, 0.50)
        tooth = [(0, at - 0.12), (reach, at - 0.12), (reach, at + 0.04), (0, at + 0.04)]
        canvas.polygon(tooth)
    canvas.polygon([(-0.16, -0.24), (0.16, -0.24), (0.16, -0.16), (-0.16, -0.16)])
    canvas.polygon(_ellipse(0, -0.50, bow, bow))
    canvas.hole(_ellipse(0, -0.52, bow * 0.52, bow * 0.52))
    return canvas.finish(rng.uniform(0, 360), bevel=0.09, shine=0.6)


def pebble(rng: Rng, size: float) -> Sprite:
    """A stone or a dark berry: round clutter that belongs to no class."""
    stones = [(150, 146, 140), (112, 104, 98), (186, 176, 160), (58, 62, 104)]
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    radius = 0.78 + 0.05 * np.cumsum(rng.normal(0, 0.35, 24)) * np.sin(angles / 2)
    squash = rng.uniform(0.65, 1)
    outline = np.stack([radius * np.cos(angles), squash * radius * np.sin(angles)], 1)
    canvas = _Canvas(size, vary(rng, stones[rng.integers(len(stones))]))
    canvas.polygon(np.clip(outline, -0.95, 0.95))
    return canvas.finish(rng.uniform(0, 360), bevel=0.6, shine=0.15)
