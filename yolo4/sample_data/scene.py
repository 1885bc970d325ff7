"""Composes a sample image, and knows where each of its objects is visible."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from yolo4.sample_data import sprites
from yolo4.sample_data.sprites import Rng, Sprite, as_rgb, vary

# Each class: its sprite, and its smallest and largest size as a fraction of the image's side.
_CLASSES: dict[str, tuple[Callable[[Rng, float], Sprite], float, float]] = {
    "apple": (sprites.apple, 0.17, 0.34),
    "leaf": (sprites.leaf, 0.20, 0.38),
    "ladybird": (sprites.ladybird, 0.062, 0.085),
    "key": (sprites.key, 0.22, 0.36),
}
CLASS_NAMES: tuple[str, ...] = tuple(_CLASSES)
_KEY_PROBABILITY = 0.6
_MAX_HIDDEN = 0.30
_MIN_INSIDE = 0.80


@dataclass(frozen=True)
class SceneObject:
    """An object in an image.

    Attributes:
        name: its class.
        box: xyxy around its visible part, in whole pixels; x2 and y2 are exclusive.
        truncated: whether it touches the border of the image.
    """

    name: str
    box: tuple[int, int, int, int]
    truncated: bool


def draw_scene(
    rng: Rng, size: int, every_class: bool = False
) -> tuple[np.ndarray, list[SceneObject]]:
    """Draw one image.

    Args:
        rng: the source of all variation.
        size: width and height in pixels.
        every_class: show each class at least once.

    Returns:
        The image, uint8 `[size, size, 3]` RGB, and its objects.
    """
    background = _BACKGROUNDS[rng.integers(len(_BACKGROUNDS))]
    scene = _Scene(background(rng, size, size))
    for _ in range(rng.integers(2, 7)):
        _draw_twig(scene.image, rng)
    for _ in range(rng.integers(2, 9)):
        pebble = sprites.pebble(rng, rng.uniform(0.03, 0.09) * size)
        scene.paste(pebble, rng.integers(-8, size, 2))
    names = ["apple"] * rng.integers(0, 4) + ["leaf"] * rng.integers(0, 4)
    names += ["ladybird"] * rng.integers(0, 5) + ["key"] * int(rng.random() < _KEY_PROBABILITY)
    rng.shuffle(names)
    if every_class:
        names = [*CLASS_NAMES, *names[:2]]
    for name in names or ["apple"]:
        draw, smallest, largest = _CLASSES[name]
        scene.place(name, draw(rng, rng.uniform(smallest, largest) * size), rng)
    return _add_camera_effects(rng, scene.image), scene.objects()


@dataclass(eq=False)
class _Scene:
    """An unfinished image; `owner` has the number (from 1) of the object that each pixel shows."""

    image: np.ndarray
    owner: np.ndarray = field(init=False)
    names: list[str] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owner = np.zeros(self.image.shape[:2], np.int32)

    def place(self, name: str, sprite: Sprite, rng: Rng) -> None:
        """Add an object at a random position where it fits; leave it out if there is none."""
        side = len(sprite.alpha)
        opaque = sprite.alpha > 0.5
        for corner in rng.integers(-side // 5, len(self.image) - side // 2, (60, 2)):
            window, crop = self._overlap(corner, side)
            mask = opaque[crop]
            inside = mask.sum() >= _MIN_INSIDE * opaque.sum()
            if inside and self._keeps_others_visible(window, mask):
                self.paste(sprite, corner)
                self.names.append(name)
                self.areas.append(int(mask.sum()))
                self.owner[window][mask] = len(self.names)
                return

    def paste(self, sprite: Sprite, corner: np.ndarray) -> None:
        """Blend a sprite and its shadow into the image."""
        margin = len(sprite.alpha) // 4
        alpha, color = _pad(sprite.alpha, margin), _pad(sprite.color, margin)
        offset = max(1, len(sprite.alpha) // 16)
        shifted = np.roll(alpha, (offset, offset), (0, 1))
        shadow = cv2.GaussianBlur(shifted, (0, 0), max(1, offset * 0.9))
        window, crop = self._overlap(corner - margin, len(alpha))
        below = self.image[window] * as_rgb(1 - 0.5 * shadow[crop])
        difference = color[crop] - below
        self.image[window] = _to_pixels(below + difference * as_rgb(alpha[crop]))

    def objects(self) -> list[SceneObject]:
        """The visible objects, in the order they were placed."""
        objects = []
        for number, name in enumerate(self.names, start=1):
            visible = self.owner == number
            columns, rows = np.flatnonzero(visible.any(0)), np.flatnonzero(visible.any(1))
            box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
            truncated = min(box) == 0 or max(box) == len(self.image)
            objects.append(SceneObject(name, box, truncated))
        return objects

    def _overlap(self, corner: np.ndarray, side: int) -> tuple[tuple[slice, slice], ...]:
        """The part of the image that a square covers, and the part of the square inside it."""
        x, y = map(int, corner)
        size = len(self.image)
        rows = slice(max(0, y), max(0, min(size, y + side)))
        columns = slice(max(0, x), max(0, min(size, x + side)))
        crop = (slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x))
        return (rows, columns), crop

    def _keeps_others_visible(self, window: tuple[slice, slice], mask: np.ndarray) -> bool:
        """Whether most of every earlier object stays visible under a new one."""
        covered = np.bincount(self.owner[window][mask])[1:]
        numbers = np.flatnonzero(covered)
        visible = [np.count_nonzero(self.owner == number + 1) for number in numbers]
        remaining = np.array(visible) - covered[numbers]
        return bool(np.all(remaining >= (1 - _MAX_HIDDEN) * np.array(self.areas)[numbers]))


def _pad(plane: np.ndarray, margin: int) -> np.ndarray:
    """Add a border of zeros on every side."""
    return cv2.copyMakeBorder(plane, margin, margin, margin, margin, cv2.BORDER_CONSTANT)


def _to_pixels(image: np.ndarray) -> np.ndarray:
    """Round and clip to uint8."""
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _noise(rng: Rng, height: int, width: int, cell_y: float, cell_x: float) -> np.ndarray:
    """Smooth noise of about unit deviation, `[height, width]`; cell sizes are in pixels."""
    grid = (max(2, round(height / cell_y) + 2), max(2, round(width / cell_x) + 2))
    coarse = rng.normal(0, 1, grid).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def _add_camera_effects(rng: Rng, image: np.ndarray) -> np.ndarray:
    """Add uneven light, a tint, a random exposure and grain."""
    side = len(image)
    light = 1 + 0.10 * _noise(rng, side, side, side, side)
    tint = (1 + rng.normal(0, 0.03, 3)) * rng.uniform(0.85, 1.10)
    grain = rng.standard_normal((side, side), np.float32) * np.float32(rng.uniform(1, 4))
    gain = cv2.merge([np.float32(channel) * light for channel in tint])
    return _to_pixels(image * gain + as_rgb(grain))


def _draw_twig(image: np.ndarray, rng: Rng) -> None:
    """Draw a crooked line with its shadow across part of the image, in place."""
    height, width = image.shape[:2]
    angles = rng.normal(0, 0.12, 7).cumsum() + rng.uniform(0, 2 * np.pi)
    step = rng.uniform(0.03, 0.08) * max(height, width)
    path = np.stack([np.cos(angles), np.sin(angles)], 1).cumsum(0) * step
    path += rng.uniform(0, 1, 2) * (width, height)
    colors = [(94, 66, 42), (140, 112, 78), (60, 48, 38), (196, 184, 150)]
    color = vary(rng, colors[rng.integers(len(colors))])
    thickness = int(rng.integers(1, 4))
    for offset, brightness in ((1.5, 0.35), (0, 1)):
        points = [np.round((path + offset) * 16).astype(np.int32)]
        shade = tuple(map(float, color * brightness))
        cv2.polylines(image, points, False, shade, thickness, cv2.LINE_AA, shift=4)


def _wood(rng: Rng, height: int, width: int) -> np.ndarray:
    """Planks with grain, uint8 `[H, W, 3]`."""
    base = vary(rng, [(176, 132, 88), (128, 88, 58), (200, 172, 132)][rng.integers(3)], 10)
    grain = _noise(rng, height, width, 14, width / 2) + 0.4 * _noise(rng, height, width, 5, width)
    rings = np.sin(4 * grain) * 12 + _noise(rng, height, width, 1.5, 30) * 6
    plank = height / rng.integers(2, 5)
    rows = np.arange(height)
    tone = rng.normal(0, 9, height)[(rows // plank).astype(int)]
    seam = np.where(rows % plank < 1.5, -45, 0)
    return _to_pixels(as_rgb(rings + (tone + seam)[:, None]) + base)


def _cloth(rng: Rng, height: int, width: int) -> np.ndarray:
    """Checked cloth with a weave, uint8 `[H, W, 3]`."""
    base = vary(rng, (204, 198, 184), 8)
    dyes = [(96, 124, 166), (178, 92, 92), (120, 146, 110), (210, 200, 182)]
    dye = vary(rng, dyes[rng.integers(len(dyes))])
    step = rng.uniform(0.08, 0.2) * height
    columns = (np.arange(width) + rng.uniform(0, step)) % step < step / 2
    rows = (np.arange(height) + rng.uniform(0, step)) % step < step / 2
    strength = (columns[None, :] * 0.30 + rows[:, None] * 0.30).astype(np.float32)
    weave = (np.arange(width)[None, :] + np.arange(height)[:, None]) % 3 * 3.0
    folds = 9 * _noise(rng, height, width, height / 3, width / 3)
    return _to_pixels(base + as_rgb(strength) * (dye - base) + as_rgb(folds - weave))


def _moss(rng: Rng, height: int, width: int) -> np.ndarray:
    """Short grass, uint8 `[H, W, 3]`."""
    base = vary(rng, [(86, 102, 52), (104, 108, 66), (68, 88, 58)][rng.integers(3)], 8)
    patches = 10 * _noise(rng, height, width, height / 4, width / 4)
    image = _to_pixels(base + as_rgb(patches + 5 * _noise(rng, height, width, 3, 3)))
    count = height * width // 120
    roots = rng.uniform(0, 1, (count, 2)) * (width, height)
    blades = np.stack([roots, roots + rng.normal(0, 3, (count, 2)) - (0, 6)], 1).round().astype(int)
    shades = np.clip(np.outer(rng.uniform(0.7, 1.35, count), base), 0, 255).tolist()
    for (root, tip), shade in zip(blades.tolist(), shades, strict=True):
        cv2.line(image, root, tip, shade, 1, cv2.LINE_AA)
    return image


def _sand(rng: Rng, height: int, width: int) -> np.ndarray:
    """Sand or stone, uint8 `[H, W, 3]`."""
    base = vary(rng, [(198, 180, 148), (150, 148, 146), (172, 160, 146)][rng.integers(3)], 10)
    layers = (cell**0.5 * 2.2 * _noise(rng, height, width, cell, cell) for cell in (1, 3, 9, 32))
    return _to_pixels(base + as_rgb(sum(layers)))


_BACKGROUNDS: tuple[Callable[[Rng, int, int], np.ndarray], ...] = (_wood, _cloth, _moss, _sand)
