"""The layouts of Pascal VOC data sets; XML files are recognized by their root element."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from utils.annotations.formats.voc.image_sets import fill_from_lists, find_lists
from utils.annotations.formats.voc.matching import Matcher, entries_of
from utils.annotations.formats.voc.xml_file import root_name
from utils.annotations.image_files import files_below, subfolder
from utils.annotations.raw import DataFormat, Finding, Problem, RawDataSet
from utils.annotations.split_names import first_split, split_of_folder
from utils.files.folders import folder_of, in_order
from utils.files.reading import is_lfs_pointer
from utils.image import is_image_name


def read_folders(root: Path) -> list[RawDataSet]:
    """Read the folders Annotations, JPEGImages (or images) and ImageSets, and those below them."""
    annotations = subfolder(root, "annotations")
    images = subfolder(root, "jpegimages") or subfolder(root, "images")
    if annotations is None or images is None:
        return []
    return _if_any(_read(root, files_below(annotations), files_below(images), "Pascal VOC folders"))


def read_nested(root: Path) -> list[RawDataSet]:
    """Read VOC data sets up to two folders down: VOCdevkit/VOC2007, or train, val and test."""
    for pattern in ("*/", "*/*/"):
        data_sets = []
        for folder in filter(Path.is_dir, sorted(root.glob(pattern))):
            for data_set in read_folders(folder):
                data_set.use_as(split_of_folder(folder, root))
                data_sets.append(data_set)
        if data_sets:
            return data_sets
    return []


def read_side_by_side(root: Path) -> list[RawDataSet]:
    """Read a folder, and those below it, that hold images and XML files side by side."""
    folders = defaultdict(list)
    for path in files_below(root):
        folders[path.parent].append(path)
    paths = [
        path
        for files in folders.values()
        if _xml_files(files) and any(is_image_name(file.name) for file in files)
        for path in files
    ]
    return _if_any(_read(root, paths, paths, "images and Pascal VOC XML side by side"))


def read_anywhere(root: Path) -> list[RawDataSet]:
    """Read XML files and images anywhere below a folder, if any XML file is about an image."""
    paths = files_below(root)
    data_set = _read(root, paths, paths, "Pascal VOC XML")
    return [data_set] if data_set.splits else []


VOC_FOLDERS = DataFormat("Annotations/ with JPEGImages/ (Pascal VOC)", read_folders)
NESTED_VOC_FOLDERS = DataFormat("folders of VOC data sets (VOCdevkit)", read_nested)
LABELIMG = DataFormat("XML files beside images (LabelImg)", read_side_by_side)
VOC_ANYWHERE = DataFormat("VOC XML files in any folders", read_anywhere)


def _if_any(data_set: RawDataSet) -> list[RawDataSet]:
    return [data_set] if data_set.splits or data_set.findings else []


def _read(
    root: Path, annotation_paths: Iterable[Path], image_paths: Iterable[Path], layout: str
) -> RawDataSet:
    """Read the XML files among some paths, which may be none."""
    data_set = RawDataSet(layout)
    xml_files = _xml_files(annotation_paths)
    matcher = Matcher(root, image_paths, xml_files)
    if xml_files and (lists := find_lists(root, data_set)):
        place = next(iter(lists)).parent.relative_to(root).as_posix()
        data_set.format += f", split by {place}"
        fill_from_lists(data_set, lists, xml_files, matcher)
        return data_set
    entries = entries_of(data_set, xml_files, matcher)
    for path, entry in entries.items():
        split = first_split(map(matcher.split, (path, entry.image)))
        data_set.splits[split].append(entry)
    images = {entry.image for entry in entries.values()}
    data_set.findings += _without_annotation(images, matcher.index.paths)
    return data_set


def _xml_files(paths: Iterable[Path]) -> list[Path]:
    """The XML files in folders that hold a VOC annotation; the others there may be damaged."""
    folders = defaultdict(list)
    for path in in_order(paths):
        name = path.name
        if name.lower().endswith(".xml") and not name.startswith("."):
            folders[folder_of(path)].append(path)
    return [path for files in folders.values() if any(map(_is_voc, files)) for path in files]


def _is_voc(path: Path) -> bool:
    return root_name(path) == "annotation" or is_lfs_pointer(path)


def _without_annotation(annotated: set[Path], images: Sequence[Path]) -> list[Finding]:
    """Findings for images beside annotated ones that have no XML file."""
    folders = Counter(image.parent for image in annotated)
    return [
        Finding(Problem.MISSING_ANNOTATION, image, "", f"no XML file {image.stem}.xml")
        for image in images
        if image.parent in folders and image not in annotated
    ]
