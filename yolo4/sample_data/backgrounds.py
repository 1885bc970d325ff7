"""Draws what the objects of the sample pictures lie on: wood, cloth, moss, sand, and twigs."""

from collections.abc import Callable

import cv2
import numpy as np

from yolo4.sample_data.sprites import Rng, as_rgb, vary


def to_pixels(picture: np.ndarray) -> np.ndarray:
    """Round and clip to uint8."""
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def twig(picture: np.ndarray, rng: Rng) -> None:
    """Draw a crooked line with its shadow across a part of the picture, in place."""
    height, width = picture.shape[:2]
    steps = rng.normal(0, 0.12, 7).cumsum() + rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.03, 0.08) * max(height, width)
    path = np.stack([np.cos(steps), np.sin(steps)], 1).cumsum(0) * reach
    path += rng.uniform(0, 1, 2) * (width, height)
    woods = [(94, 66, 42), (140, 112, 78), (60, 48, 38), (196, 184, 150)]
    color = vary(rng, woods[rng.integers(len(woods))])
    thickness = int(rng.integers(1, 4))
    for offset, shade in ((1.5, 0.35), (0, 1)):
        points = [np.round((path + offset) * 16).astype(np.int32)]
        drawn = tuple(map(float, color * shade))
        cv2.polylines(picture, points, False, drawn, thickness, cv2.LINE_AA, shift=4)


def noise(rng: Rng, height: int, width: int, cell_y: float, cell_x: float) -> np.ndarray:
    """Smooth noise of about unit spread, `[height, width]`, cells of the given size in pixels."""
    grid = (max(2, round(height / cell_y) + 2), max(2, round(width / cell_x) + 2))
    coarse = rng.normal(0, 1, grid).astype(np.float32)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def wood(rng: Rng, height: int, width: int) -> np.ndarray:
    """Planks with grain, uint8 `[H, W, 3]`."""
    base = vary(rng, [(176, 132, 88), (128, 88, 58), (200, 172, 132)][rng.integers(3)], 10)
    grain = noise(rng, height, width, 14, width / 2) + 0.4 * noise(rng, height, width, 5, width)
    rings = np.sin(4 * grain) * 12 + noise(rng, height, width, 1.5, 30) * 6
    plank = height / rng.integers(2, 5)
    rows = np.arange(height)
    tone = rng.normal(0, 9, height)[(rows // plank).astype(int)]
    seam = np.where(rows % plank < 1.5, -45, 0)
    return to_pixels(as_rgb(rings + (tone + seam)[:, None]) + base)


def cloth(rng: Rng, height: int, width: int) -> np.ndarray:
    """Checked cloth with a weave, uint8 `[H, W, 3]`."""
    base = vary(rng, (204, 198, 184), 8)
    dyes = [(96, 124, 166), (178, 92, 92), (120, 146, 110), (210, 200, 182)]
    dye = vary(rng, dyes[rng.integers(len(dyes))])
    step = rng.uniform(0.08, 0.2) * height
    across = (np.arange(width) + rng.uniform(0, step)) % step < step / 2
    down = (np.arange(height) + rng.uniform(0, step)) % step < step / 2
    share = (across[None, :] * 0.30 + down[:, None] * 0.30).astype(np.float32)
    weave = (np.arange(width)[None, :] + np.arange(height)[:, None]) % 3 * 3.0
    folds = 9 * noise(rng, height, width, height / 3, width / 3)
    return to_pixels(base + as_rgb(share) * (dye - base) + as_rgb(folds - weave))


def moss(rng: Rng, height: int, width: int) -> np.ndarray:
    """Short grass, uint8 `[H, W, 3]`."""
    base = vary(rng, [(86, 102, 52), (104, 108, 66), (68, 88, 58)][rng.integers(3)], 8)
    patches = 10 * noise(rng, height, width, height / 4, width / 4)
    picture = to_pixels(base + as_rgb(patches + 5 * noise(rng, height, width, 3, 3)))
    count = height * width // 120
    foot = rng.uniform(0, 1, (count, 2)) * (width, height)
    blade = np.stack([foot, foot + rng.normal(0, 3, (count, 2)) - (0, 6)], 1).round().astype(int)
    shades = np.clip(np.outer(rng.uniform(0.7, 1.35, count), base), 0, 255).tolist()
    for (start, tip), shade in zip(blade.tolist(), shades, strict=True):
        cv2.line(picture, start, tip, shade, 1, cv2.LINE_AA)
    return picture


def sand(rng: Rng, height: int, width: int) -> np.ndarray:
    """Sand or stone, uint8 `[H, W, 3]`."""
    base = vary(rng, [(198, 180, 148), (150, 148, 146), (172, 160, 146)][rng.integers(3)], 10)
    spread = sum(cell**0.5 * 2.2 * noise(rng, height, width, cell, cell) for cell in (1, 3, 9, 32))
    return to_pixels(base + as_rgb(spread))


GROUNDS: tuple[Callable[[Rng, int, int], np.ndarray], ...] = (wood, cloth, moss, sand)
