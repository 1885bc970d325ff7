"""Finds image files by name."""

import os.path
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from utils.annotations.split_names import split_of_file, split_of_folder
from utils.files.folders import files_below, in_order
from utils.image import is_image_name


def subfolder(root: Path, name: str) -> Path | None:
    """The folder in `root` with this name in any case."""
    folders = (path for path in sorted(root.iterdir()) if path.is_dir())
    return next((path for path in folders if path.name.lower() == name), None)


def nfc(name: str) -> str:
    """A name in the composed Unicode form; macOS stores "é" as "e" and a combining accent."""
    return unicodedata.normalize("NFC", name)


class ImageIndex:
    """Finds images by name or stem, ignoring case and Unicode form."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        self.paths = in_order(path for path in paths if is_image_name(path.name))
        for path in self.paths:
            self._by_key[_key(path.name)].append(path)
            self._by_key[_key(path.stem)].append(path)

    def find(self, name: str) -> list[Path]:
        """The images that have this name or stem, an exact match first."""
        matches = self._by_key.get(_key(name), [])
        if len(matches) < 2:
            return matches
        return sorted(matches, key=lambda path: name not in (path.name, path.stem))


def _key(name: str) -> str:
    return nfc(name).casefold()


def path_parts(name: str) -> list[str]:
    """The folders and the file name of a path written on any system."""
    return nfc(name).replace("\\", "/").split("/")


class ImagesBelow:
    """Finds images anywhere below a folder by paths that were written for another folder."""

    def __init__(self, root: Path, files: Iterable[Path] | None = None) -> None:
        """Look for images among `files`, or else among all below `root`."""
        self.root = root
        self._files = files
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str, listed_in: Path, is_unique: bool) -> Path | None:
        """Find an image by its path, or else by its file name anywhere below the root.

        Of several images with this file name, the one with the most matching parent folders is
        chosen, then one below a folder with the name of `listed_in`, then one below a folder named
        after the split of `listed_in`, then the one with the most folders in common with it.

        Args:
            name: the path as written.
            listed_in: the file that contains the path.
            is_unique: whether `listed_in` names no other image with the same file name; if it
                does, the parent folder must match as well.
        """
        if not name:
            return None
        folders = (listed_in.parent, self.root, self.root / "images")
        exact = map(os.path.join, folders, [name] * len(folders))  # `Path` takes longer
        if path := next(filter(os.path.isfile, exact), None):
            without_dots = os.path.normpath(path)  # another file if a folder is a link
            return Path(next(filter(os.path.isfile, [without_dots, path])))
        parts = path_parts(name)
        named = self._named(parts[-1])
        required = 1 if is_unique or len(parts) == 1 else 2
        if len(named) < 2 and required == 1:
            return next(iter(named), None)
        split = split_of_file(listed_in, self.root)

        def matching_parts(path: Path) -> int:
            pairs = zip(reversed(path_parts(str(path))), reversed(parts), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        def rank(path: Path) -> tuple:
            other_split = split_of_folder(path.parent, self.root) != split
            other_name = listed_in.stem not in path.relative_to(self.root).parts
            pairs = zip(path.parts, listed_in.parts, strict=False)
            common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            return (-matching_parts(path), other_name, other_split, -common, path)

        candidates = [path for path in named if matching_parts(path) >= required]
        return min(candidates, key=rank, default=None)

    def _named(self, name: str) -> list[Path]:
        """The images with this file name."""
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in files_below(self.root) if self._files is None else self._files:
                if is_image_name(path.name):
                    self._by_name[nfc(path.name)].append(path)
        return self._by_name.get(name, [])
