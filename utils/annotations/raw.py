"""The form that every format is read into, before any image or box is checked."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from utils.errors import UserError

UNSPLIT = "unsplit"


class Problem(Enum):
    """What can be wrong with a data set: what is wrong, and what is done about it."""

    MISSING_IMAGE = ("image file not found", "image skipped")
    BAD_IMAGE = ("unreadable, truncated or empty image", "image skipped")
    MISSING_ANNOTATION = ("image without annotation", "image skipped")
    BAD_ANNOTATION = ("unreadable annotation", "image skipped")
    LEAK = ("same image in two splits", "kept in one split")
    LISTED_TWICE = ("image listed twice", "objects merged")
    SECOND_ANNOTATION = ("second annotation of an image", "file not used")
    FEW_BITS = ("16-bit image with values of fewer bits", "image kept, almost black")
    SIZE_DIFFERS = ("image size differs from the annotation", "boxes unchanged")
    BAD_OBJECT = ("unreadable object", "object skipped")
    UNKNOWN_CLASS = ("unknown class", "object skipped")
    NOT_FINITE = ("NaN or infinite coordinate", "object skipped")
    INVERTED = ("inverted box", "corners swapped")
    ZERO_AREA = ("zero-area box", "object skipped")
    OUTSIDE = ("box entirely outside the image", "object skipped")
    PARTLY_OUTSIDE = ("box partly outside the image", "box clipped")
    REPEATED = ("box repeated within an image", "kept once")
    BELOW_A_PIXEL = ("box less than a pixel wide or high", "box unchanged")
    FRACTIONS = ("coordinates from 0 to 1 instead of pixels", "multiplied by the image size")

    @property
    def skips_object(self) -> bool:
        """Whether the object that has the problem is not used."""
        return self.value[1] == "object skipped"


@dataclass(frozen=True)
class Finding:
    """One problem that was found in the data.

    Attributes:
        problem: which problem it is.
        file: the file that has it.
        where: the line or object in the file ("object 3"), empty for the whole file.
        detail: what was found there.
    """

    problem: Problem
    file: Path
    where: str
    detail: str

    def __str__(self) -> str:
        location = f"{self.file}, {self.where}" if self.where else f"{self.file}"
        return f"{location}: {self.detail}"


class AnnotationError(UserError):
    """The annotation of an image cannot be used.

    Attributes:
        finding: what is wrong, and where.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class RawObject(NamedTuple):
    """An object as its file states it.

    Attributes:
        category: the name of the class, or its number if the format has no names.
        corners: x1, y1, x2, y2 as written: pixels, or fractions if `Annotation.relative`.
        where: its position in the file, for messages: "object 3".
        difficult: whether it counts neither as an object nor as background.
    """

    category: str | int
    corners: tuple[float, float, float, float]
    where: str
    difficult: bool = False


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a file states about one image.

    Attributes:
        objects: the objects that could be read.
        findings: what is wrong with the others.
        size: width and height of the image as the file states them, None if it does not.
        relative: whether corners are fractions of the image's width and height, not pixels.
    """

    objects: list[RawObject]
    findings: list[Finding]
    size: tuple[int, int] | None = None
    relative: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """An image of a data set, and how to read its annotation.

    Attributes:
        image: the image file.
        file: the file that holds the annotation, for messages.
        read: reads the annotation; raises AnnotationError.
        cache_key: what the result of `read` depends on besides the content of `file`; None if it
            is not to be cached.
    """

    image: Path
    file: Path
    read: Callable[[], Annotation]
    cache_key: str | None = None


@dataclass
class RawDataSet:
    """A data set as its format lays it out, before the checks.

    Attributes:
        format: the name of the format, for people.
        splits: entries by split: train, val, test, trainval, or UNSPLIT.
        class_names: the format's own list of classes, None if it has none.
        findings: the problems found without opening any image.
        notes: sentences for the report.
        files: the files that define the data set; not those of single images.
        class_files: the files that list the classes.
        unused: files that were seen and not used, and why.
        is_complete: whether all that it names was found; if not, files elsewhere can complete it.
    """

    format: str
    splits: dict[str, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    class_names: tuple[str, ...] | None = None
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    class_files: list[Path] = field(default_factory=list)
    unused: dict[Path, str] = field(default_factory=dict)
    is_complete: bool = True

    def use_as(self, split: str) -> None:
        """Make every entry part of one split, unless the data set defines splits itself."""
        if self.splits.keys() == {UNSPLIT}:
            self.splits = {split: self.splits[UNSPLIT]}


def _accept_nothing(_path: Path) -> list[RawDataSet]:
    return []


@dataclass(frozen=True)
class DataFormat:
    """A way of storing annotated images on disk.

    Both functions return the data sets at a path, or an empty list if it has another format.

    Attributes:
        folder: what a folder of this format contains, for the error message.
        read_folder: reads a folder.
        file: what a single file of this format is, for the error message.
        read_file: reads the data set that a single file defines.
    """

    folder: str = ""
    read_folder: Callable[[Path], list[RawDataSet]] = _accept_nothing
    file: str = ""
    read_file: Callable[[Path], list[RawDataSet]] = _accept_nothing
