"""Finds a font file that has the letters of a text, whatever its script."""

import unicodedata
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import matplotlib
from matplotlib import font_manager, ft2font
from PIL import ImageFont

from utils.files import MODEL_DATA

# A person's own fonts go here and are tried first.
FONT_FOLDER = MODEL_DATA


def font_file(text: str) -> Path:
    """A font that draws every letter of the text.

    Tried in turn: the fonts in `model_data/`, DejaVu Sans (which comes with matplotlib), the
    fonts of the system. Where none has all the letters, a warning names the missing ones and
    DejaVu Sans draws a frame for each.
    """
    letters = frozenset(c for c in text if unicodedata.category(c)[0] not in "CZ")
    return _font_with(letters, FONT_FOLDER)


def load_font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """`font_file` of the text, opened for Pillow at a size in pixels."""
    return _opened(font_file(text), size)


@lru_cache
def _opened(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache
def _font_with(letters: frozenset[str], folder: Path) -> Path:
    best = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    for path in _candidates(folder, best):
        if all(ord(letter) in _characters(path) for letter in letters):
            return path
    missing = "".join(sorted(c for c in letters if ord(c) not in _characters(best)))
    warnings.warn(
        f"no font here draws {missing!r}: put a .ttf or .otf that does into {folder}", stacklevel=3
    )
    return best


def _candidates(folder: Path, bundled: Path) -> Iterator[Path]:
    yield from sorted(p for p in folder.glob("*") if p.suffix.lower() in (".ttf", ".otf", ".ttc"))
    yield bundled
    yield from sorted(Path(p) for p in font_manager.findSystemFonts())


@lru_cache
def _characters(path: Path) -> frozenset[int]:
    """Code points that the font has; none when it is no font that can be scaled."""
    try:
        ImageFont.truetype(path, 12)
        return frozenset(ft2font.FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
