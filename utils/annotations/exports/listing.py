"""What an annotation file that lists many images states, as most annotation tools export it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from utils.annotations.raw import Annotation, Finding, Problem, RawObject

Item = TypeVar("Item")


@dataclass(frozen=True)
class ListedImage:
    """What an annotation file states about one image.

    Attributes:
        name: the path of the image as written, or its name without a suffix.
        where: its position in the file, for messages.
        annotation: its objects.
        split_names: names that may mention its split, the most specific one first.
    """

    name: str
    where: str
    annotation: Annotation
    split_names: tuple[str, ...] = ()


@dataclass
class Listing:
    """The content of an annotation file.

    Attributes:
        path: the file.
        images: the images in the order of the file.
        findings: what is wrong with the file, apart from the images' own findings.
        notes: sentences for the report.
        class_names: the file's own list of classes, empty if it has none.
        unused: other files that were seen and not used, and why.
    """

    path: Path
    images: list[ListedImage] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    class_names: tuple[str, ...] = ()
    unused: dict[Path, str] = field(default_factory=dict)

    def report(self, problem: Problem, where: str, detail: str) -> None:
        """Add a finding about a place in this file."""
        self.findings.append(Finding(problem, self.path, where, detail))


def numbered(items: Iterable[Item], image: str = "") -> list[tuple[str, Item]]:
    """Objects and their positions in an image, whose position in its file may come first."""
    prefix = f"{image}, " if image else ""
    return [(f"{prefix}object {number}", item) for number, item in enumerate(items, start=1)]


def read_objects(
    items: Iterable[tuple[str, Item]],
    file: Path,
    read: Callable[[Item, str], RawObject],
    size: tuple[int, int] | None = None,
) -> Annotation:
    """Read the objects of an image; those that cannot be read become findings.

    Args:
        items: the position of each object, and the object as written.
        file: the file that they are in.
        read: reads an object, given its position; raises ValueError.
        size: width and height of the image as the file states them.
    """
    annotation = Annotation([], [], size)
    for where, item in items:
        try:
            annotation.objects.append(read(item, where))
        except ValueError as error:
            annotation.findings.append(Finding(Problem.BAD_OBJECT, file, where, str(error)))
    return annotation
