"""What every annotation format is read into before the checks."""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from utils.image import is_image_name

UNSPLIT = "unsplit"


class Kind(Enum):
    """What can be wrong with the data: in words, and what is done about it."""

    MISSING_IMAGE = ("image file not found", "set aside")
    BAD_IMAGE = ("unreadable, truncated or empty image", "set aside")
    MISSING_ANNOTATION = ("image without annotation", "image set aside")
    BAD_ANNOTATION = ("unreadable annotation", "image set aside")
    LEAK = ("same image in two splits", "kept in one")
    LISTED_TWICE = ("image listed twice", "listings joined")
    SIZE_DIFFERS = ("image size is not what the annotation says", "boxes kept as written")
    BAD_OBJECT = ("unreadable object", "object set aside")
    UNKNOWN_CLASS = ("unknown class", "object set aside")
    NOT_FINITE = ("NaN or infinite coordinate", "object set aside")
    INVERTED = ("inverted box", "corners swapped")
    ZERO_AREA = ("zero-area box", "object set aside")
    OUTSIDE = ("box entirely outside the image", "object set aside")
    BEYOND = ("box reaching outside the image", "clipped")


@dataclass(frozen=True)
class Problem:
    """One thing wrong: its kind, the file, the place in it ("object 3"), and what stood there."""

    kind: Kind
    file: Path
    where: str
    detail: str

    def __str__(self) -> str:
        place = f"{self.file}, {self.where}" if self.where else f"{self.file}"
        return f"{place}: {self.detail}"


class AnnotationError(Exception):
    """The annotation of one image cannot be used; it carries the problem.

    Attributes:
        problem: what is wrong, and where.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class RawObject:
    """An object as the file has it.

    Attributes:
        category: the class's name, or its number where the format has no names.
        corners: x1, y1, x2, y2 as written, in pixels or (Annotation.relative) parts of the image.
        where: the place in the file, for messages: "object 3".
        difficult: whether it counts neither as an object nor as background.
    """

    category: str | int
    corners: tuple[float, float, float, float]
    where: str
    difficult: bool = False


@dataclass(frozen=True)
class Annotation:
    """What the file says about one image.

    Attributes:
        objects: those that could be read.
        problems: those that could not.
        size: width and height as the file gives them, None where it doesn't.
        relative: the corners are parts of the image's width and height, not pixels.
    """

    objects: list[RawObject]
    problems: list[Problem]
    size: tuple[int, int] | None = None
    relative: bool = False


@dataclass(frozen=True, eq=False)
class Entry:
    """An image of the data set and how to read what is known of it.

    Attributes:
        image: the image file.
        file: the file that the annotation stands in, for messages.
        read: reads the annotation; raises AnnotationError.
        alone: all that `read` gives stands in `file`, and nothing about other images does.
    """

    image: Path
    file: Path
    read: Callable[[], Annotation]
    alone: bool = False


@dataclass
class Source:
    """One data set as its format lays it out, nothing checked yet.

    Attributes:
        format: the format in human words.
        splits: entries by split: train, val, test, trainval, or UNSPLIT.
        class_names: the format's own list of classes, None where it has none.
        problems: what was wrong before any image was looked at.
        notes: sentences for the report.
    """

    format: str
    splits: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    class_names: tuple[str, ...] | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def take_for(self, split: str) -> None:
        """Where the data set has no split of its own, all of it is this one."""
        if self.splits.keys() == {UNSPLIT}:
            self.splits = {split: self.splits[UNSPLIT]}


_SPLIT_NAME = re.compile(
    r"(?<![a-z])(?:mini)?(trainval|train|val|test)(?:ing|idation|id)?(?![a-z])", re.IGNORECASE
)


def split_in_name(name: str) -> str | None:
    """The split that a file's or folder's name speaks of ("instances_val2017"), or None."""
    found = _SPLIT_NAME.search(name)
    return found[1].lower() if found else None


def split_of(names: Iterable[str]) -> str:
    """The split that the first name to speak of one speaks of, or UNSPLIT."""
    return next(filter(None, map(split_in_name, names)), UNSPLIT)


def split_of_folder(folder: Path, root: Path) -> str:
    """The split that a folder below root is named after, or the nearest folder around it."""
    return split_of(reversed(folder.relative_to(root).parts))


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, sorted; links are followed, what is hidden is left out."""
    found, walked = [], set()
    for here, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in walked:  # a link may lead to a folder around it
            folders.clear()
            continue
        walked.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(here, name) for name in files if not name.startswith(".")]
    return sorted(found)


class ImageIndex:
    """Finds image files by name or stem, minding neither case nor Unicode form."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._by_key: dict[str, list[Path]] = defaultdict(list)
        self.paths = sorted(path for path in paths if is_image_name(path.name))
        for path in self.paths:
            self._by_key[_key(path.name)].append(path)
            self._by_key[_key(path.stem)].append(path)

    def find(self, name: str) -> list[Path]:
        """The images of that name or stem, the one spelled exactly so first."""
        found = self._by_key.get(_key(name), [])
        return sorted(found, key=lambda path: name not in (path.name, path.stem))


def _key(name: str) -> str:
    return nfc(name).casefold()


def nfc(name: str) -> str:
    """A name in one Unicode form: macOS writes its own, "e" and an accent for "é"."""
    return unicodedata.normalize("NFC", name)
