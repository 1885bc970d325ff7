"""Composes one sample picture and knows where every object in it shows."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from yolo4.sample_data import backgrounds as grounds
from yolo4.sample_data import sprites as art

# Each class: how it is drawn, and its least and largest size as a fraction of the picture's side.
_CLASSES: dict[str, tuple[Callable[[art.Rng, float], art.Sprite], float, float]] = {
    "apple": (art.apple, 0.17, 0.34),
    "leaf": (art.leaf, 0.20, 0.38),
    "ladybird": (art.ladybird, 0.062, 0.085),
    "key": (art.key, 0.22, 0.36),
}
CLASS_NAMES: tuple[str, ...] = tuple(_CLASSES)
_KEY_CHANCE = 0.6
_MOST_HIDDEN = 0.30
_LEAST_IN_PICTURE = 0.80


@dataclass(frozen=True)
class SceneObject:
    """An object of a picture.

    Attributes:
        name: its class.
        box: whole pixels xyxy around what is visible of it; the far edges lie past the last pixel.
        truncated: whether it reaches the picture's edge.
    """

    name: str
    box: tuple[int, int, int, int]
    truncated: bool


def draw_scene(
    rng: art.Rng, size: int, every_class: bool = False
) -> tuple[np.ndarray, list[SceneObject]]:
    """Draw one picture.

    Args:
        rng: source of everything in it.
        size: width and height in pixels.
        every_class: show each class at least once.

    Returns:
        The picture, uint8 `[size, size, 3]` RGB, and its objects.
    """
    ground = grounds.GROUNDS[rng.integers(len(grounds.GROUNDS))]
    scene = _Scene(ground(rng, size, size))
    for _ in range(rng.integers(2, 7)):
        grounds.twig(scene.picture, rng)
    for _ in range(rng.integers(2, 9)):
        scene.lay(art.pebble(rng, rng.uniform(0.03, 0.09) * size), rng.integers(-8, size, 2))
    wanted = ["apple"] * rng.integers(0, 4) + ["leaf"] * rng.integers(0, 4)
    wanted += ["ladybird"] * rng.integers(0, 5) + ["key"] * int(rng.random() < _KEY_CHANCE)
    rng.shuffle(wanted)
    if every_class:
        wanted = [*CLASS_NAMES, *wanted[:2]]
    for name in wanted or ["apple"]:
        draw, least, largest = _CLASSES[name]
        scene.place(name, draw(rng, rng.uniform(least, largest) * size), rng)
    return _develop(rng, scene.picture), scene.objects()


@dataclass(eq=False)
class _Scene:
    """A picture in the making; `owner` holds the number (from 1) of the object each pixel shows."""

    picture: np.ndarray
    owner: np.ndarray = field(init=False)
    names: list[str] = field(default_factory=list)
    areas: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owner = np.zeros(self.picture.shape[:2], np.int32)

    def place(self, name: str, sprite: art.Sprite, rng: art.Rng) -> None:
        """Lay the object where it is in the picture and hides no other one; else leave it out."""
        side = len(sprite.cover)
        solid = sprite.cover > 0.5
        for corner in rng.integers(-side // 5, len(self.picture) - side // 2, (60, 2)):
            there, part = self._windows(corner, side)
            shape = solid[part]
            inside = shape.sum() >= _LEAST_IN_PICTURE * solid.sum()
            if inside and self._leaves_others(there, shape):
                self.lay(sprite, corner)
                self.names.append(name)
                self.areas.append(int(shape.sum()))
                self.owner[there][shape] = len(self.names)
                return

    def lay(self, sprite: art.Sprite, corner: np.ndarray) -> None:
        """Blend a sprite and its shadow into the picture."""
        reach = len(sprite.cover) // 4
        cover = cv2.copyMakeBorder(sprite.cover, *[reach] * 4, cv2.BORDER_CONSTANT)
        color = cv2.copyMakeBorder(sprite.color, *[reach] * 4, cv2.BORDER_CONSTANT)
        drop = max(1, len(sprite.cover) // 16)
        shadow = cv2.GaussianBlur(np.roll(cover, (drop, drop), (0, 1)), (0, 0), max(1, drop * 0.9))
        there, part = self._windows(corner - reach, len(cover))
        below = self.picture[there] * art.as_rgb(1 - 0.5 * shadow[part])
        above = color[part] - below
        self.picture[there] = grounds.to_pixels(below + above * art.as_rgb(cover[part]))

    def objects(self) -> list[SceneObject]:
        """What the picture shows, in the order it was laid down."""
        found = []
        for number, name in enumerate(self.names, start=1):
            shown = self.owner == number
            columns, rows = np.flatnonzero(shown.any(0)), np.flatnonzero(shown.any(1))
            box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
            cut = min(box) == 0 or max(box) == len(self.picture)
            found.append(SceneObject(name, box, cut))
        return found

    def _windows(self, corner: np.ndarray, side: int) -> tuple[tuple[slice, slice], ...]:
        """Where a square falls in the picture, and which part of the square that is."""
        x, y = map(int, corner)
        size = len(self.picture)
        rows = slice(max(0, y), max(0, min(size, y + side)))
        columns = slice(max(0, x), max(0, min(size, x + side)))
        part = (slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x))
        return (rows, columns), part

    def _leaves_others(self, there: tuple[slice, slice], shape: np.ndarray) -> bool:
        """Whether every object keeps most of what it showed when it was laid down."""
        covered = np.bincount(self.owner[there][shape])[1:]
        numbers = np.flatnonzero(covered)
        shown = [np.count_nonzero(self.owner == number + 1) for number in numbers]
        left = np.array(shown) - covered[numbers]
        return bool(np.all(left >= (1 - _MOST_HIDDEN) * np.array(self.areas)[numbers]))


def _develop(rng: art.Rng, picture: np.ndarray) -> np.ndarray:
    """What a camera adds: uneven light, warmth, exposure, grain."""
    side = len(picture)
    light = 1 + 0.10 * grounds.noise(rng, side, side, side, side)
    tint = (1 + rng.normal(0, 0.03, 3)) * rng.uniform(0.85, 1.10)
    grain = rng.standard_normal((side, side), np.float32) * np.float32(rng.uniform(1, 4))
    lit = cv2.merge([np.float32(share) * light for share in tint])
    return grounds.to_pixels(picture * lit + art.as_rgb(grain))
