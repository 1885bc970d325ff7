"""Which image a Pascal VOC XML file is about."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path

from utils.annotations.formats.voc.xml_file import filename, read_xml
from utils.annotations.image_files import ImageIndex, nfc
from utils.annotations.raw import (
    UNSPLIT,
    AnnotationError,
    Entry,
    Finding,
    Problem,
    RawDataSet,
)
from utils.annotations.split_names import split_of_folder
from utils.errors import UserError
from utils.files.folders import folder_of


class Matcher:
    """Finds the images of XML files: by stem, or else by <filename>, anywhere among the images.

    XML files whose folder holds their images are about no images elsewhere, and those in a folder
    of one split about no images in a folder of another.

    Args:
        root: the folder of the data set.
        images: the paths of the images; other paths are ignored.
        xml_files: all XML files.
    """

    def __init__(self, root: Path, images: Iterable[Path], xml_files: Sequence[Path]) -> None:
        self.index = ImageIndex(images)
        self._root = root
        self._splits: dict[str, str] = {}
        beside = set(map(_without_suffix, self.index.paths))
        self._with_images = {
            folder_of(path) for path in xml_files if _without_suffix(path) in beside
        }

    def find(self, xml_file: Path) -> Path | None:
        """The image of an XML file, None if there is none.

        Raises:
            AnnotationError: the file cannot be read, and its name does not determine the image.
        """
        images = self._near(xml_file, self.index.find(xml_file.stem))
        if len(images) != 1:
            name = filename(xml_file)
            named = self._near(xml_file, self.index.find(name)) if name else []
            images = [image for image in images if image in named] or images or named
        if len(images) == 1:
            return images[0]
        shared = [matching_folders(xml_file, image) for image in images]
        return images[shared.index(max(shared))] if images else None

    def split(self, file: Path) -> str:
        """The split that the folder of a file is named after, or UNSPLIT."""
        folder = folder_of(file)
        if folder not in self._splits:
            self._splits[folder] = split_of_folder(Path(folder), self._root)
        return self._splits[folder]

    def _near(self, xml_file: Path, images: Sequence[Path]) -> list[Path]:
        """The images that the folders of an XML file and an image allow it to be about."""
        folder = folder_of(xml_file)
        if folder in self._with_images:
            return [image for image in images if folder_of(image) == folder]
        split = self.split(xml_file)
        return [
            image
            for image in images
            if UNSPLIT in (split, other := self.split(image)) or other == split
        ]


def _without_suffix(path: Path) -> str:
    return nfc(str(path).rpartition(".")[0])


def matching_folders(xml_file: Path, image: Path) -> int:
    """How many folders above two files have equal names, from the nearest on."""
    pairs = zip(xml_file.parent.parts[::-1], image.parent.parts[::-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def entries_of(
    data_set: RawDataSet, xml_files: Sequence[Path], matcher: Matcher
) -> dict[Path, Entry]:
    """An entry for each XML file that is about an image; the others become findings.

    Raises:
        UserError: two files are about one image, and nothing tells which belongs to it.
    """
    by_image: dict[Path, Path] = {}
    for path in xml_files:
        try:
            image = matcher.find(path)
        except AnnotationError as error:
            data_set.findings.append(error.finding)
            continue
        if image is None:
            detail = f"no image {path.stem}.*, and none named as its <filename>"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, "", detail))
        elif image in by_image:
            by_image[image] = _nearer(data_set, by_image[image], path, image)
        else:
            by_image[image] = path
    return {
        path: Entry(image, path, partial(read_xml, path), cache_key="")
        for image, path in by_image.items()
    }


def _nearer(data_set: RawDataSet, one: Path, other: Path, image: Path) -> Path:
    """Of two XML files about an image, the one with more matching folders."""
    shared = [matching_folders(path, image) for path in (one, other)]
    if shared[0] == shared[1]:
        raise UserError(
            f"{one} and {other} are both about {image}; expected one file for each image: remove "
            "one, or name a folder that holds only one"
        )
    near, far = (one, other) if shared[0] > shared[1] else (other, one)
    detail = f"{near} is nearer to {image}"
    data_set.findings.append(Finding(Problem.SECOND_ANNOTATION, far, "", detail))
    return near
