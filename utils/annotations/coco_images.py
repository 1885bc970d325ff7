"""Finds the image files that a COCO file names, wherever they lie."""

import os
from collections import defaultdict
from itertools import takewhile
from pathlib import Path

from utils.annotations.source import files_below, nfc, split_in_name
from utils.image import is_image_name


def path_parts(name: str) -> list[str]:
    """The folders and the file of a path as any system writes it."""
    return nfc(name).replace("\\", "/").split("/")


class ImagesBelow:
    """Finds the images of a COCO file, wherever below the root they lie."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._by_name: dict[str, list[Path]] | None = None

    def find(self, name: str, json_file: Path, is_unique: bool) -> Path | None:
        """The image file of that name: as a path first, then by name anywhere below the root.

        Of several, the one whose folders agree most and that speaks of the JSON file's split.

        Args:
            name: the `file_name`.
            json_file: where it stands.
            is_unique: whether no other image there has a file of that name in another folder;
                otherwise at least the folder next to the file has to agree.
        """
        if not name:
            return None
        places = (folder / name for folder in (json_file.parent, self.root, self.root / "images"))
        if exact := next(filter(os.path.isfile, places), None):
            return exact
        if self._by_name is None:
            self._by_name = defaultdict(list)
            for path in files_below(self.root):
                if is_image_name(path.name):
                    self._by_name[nfc(path.name)].append(path)
        wanted = split_in_name(json_file.stem)
        parts = path_parts(name)

        def agreeing(path: Path) -> int:
            pairs = zip(reversed(path_parts(str(path))), reversed(parts), strict=False)
            return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        def rank(path: Path) -> tuple:
            splits = {split_in_name(part) for part in path.relative_to(self.root).parts[:-1]}
            return (-agreeing(path), wanted not in splits, path)

        least = 1 if is_unique or len(parts) == 1 else 2
        candidates = [path for path in self._by_name.get(parts[-1], []) if agreeing(path) >= least]
        return min(candidates, key=rank, default=None)
