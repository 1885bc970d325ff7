"""Pascal VOC: XML files in VOC's own folders, or beside the images as LabelImg writes them.

VOC counts pixels from 1 and includes both corners; LabelImg and most other tools write edges
counted from 0. A file does not say which convention it uses, and the two differ by at most one
pixel, so coordinates are kept as written and clipped to the image.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from utils.annotations.image_files import ImageIndex, files_below, nfc, split_of_folder
from utils.annotations.raw import (
    UNSPLIT,
    Annotation,
    AnnotationError,
    DataFormat,
    Entry,
    Finding,
    Problem,
    RawDataSet,
    RawObject,
)
from utils.errors import FileError
from utils.files.markup import parse_xml
from utils.files.reading import MOST_BYTES_OF_DATA_SET, read_text
from utils.text import class_name

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SPLITS = ("train", "val", "test", "trainval")


def read_voc(root: Path) -> list[RawDataSet]:
    """Read the folders Annotations, JPEGImages (or images) and ImageSets/Main."""
    annotations = _subfolder(root, "annotations")
    images = _subfolder(root, "jpegimages") or _subfolder(root, "images")
    if annotations is None or images is None:
        return []
    xml_files = _xml_files(annotations.iterdir())
    if not xml_files:
        return []
    lists = [(split, root / "ImageSets" / "Main" / f"{split}.txt") for split in _SPLITS]
    lists = [(split, path) for split, path in lists if path.is_file()]
    index = ImageIndex(files_below(images))
    if lists:
        data_set = RawDataSet("Pascal VOC folders, split by ImageSets/Main")
        _read_lists(data_set, lists, {nfc(path.stem): path for path in xml_files}, index)
    else:
        data_set = RawDataSet("Pascal VOC folders, without ImageSets/Main")
        _read_xml_files(data_set, xml_files, index, UNSPLIT)
    return [data_set]


def read_nested_voc(root: Path) -> list[RawDataSet]:
    """Read VOC data sets up to two folders down: VOCdevkit/VOC2007, or train, val and test."""
    for pattern in ("*/", "*/*/"):
        data_sets = []
        for folder in filter(Path.is_dir, sorted(root.glob(pattern))):
            for data_set in read_voc(folder):
                data_set.use_as(split_of_folder(folder, root))
                data_sets.append(data_set)
        if data_sets:
            return data_sets
    return []


def read_labelimg(root: Path) -> list[RawDataSet]:
    """Read a folder, and those below it, that hold images and XML files side by side.

    Folders named train, val (valid) and test are splits.
    """
    folders = defaultdict(list)
    for path in files_below(root):
        folders[path.parent].append(path)
    data_set = RawDataSet("images and Pascal VOC XML side by side")
    for folder, paths in folders.items():
        xml_files, index = _xml_files(paths), ImageIndex(paths)
        if xml_files and index.paths:
            _read_xml_files(data_set, xml_files, index, split_of_folder(folder, root))
    return [data_set] if data_set.splits or data_set.findings else []


VOC_FOLDERS = DataFormat("Annotations/ with JPEGImages/ (Pascal VOC)", read_voc)
NESTED_VOC_FOLDERS = DataFormat("folders of VOC data sets (VOCdevkit)", read_nested_voc)
LABELIMG = DataFormat("XML files beside images (LabelImg)", read_labelimg)


def read_xml(path: Path) -> Annotation:
    """Read one VOC XML file.

    Raises:
        AnnotationError: the file cannot be read or is not a VOC annotation.
    """
    root = _parse(path)
    objects, findings = [], []
    for number, node in enumerate(root.findall("object"), start=1):
        where = f"object {number}"
        try:
            objects.append(_read_object(node, where))
        except ValueError as error:
            findings.append(Finding(Problem.BAD_OBJECT, path, where, str(error)))
    return Annotation(objects, findings, _read_size(root))


def _parse(path: Path) -> Element:
    """Return the root element of a VOC XML file."""
    try:
        text = read_text(path)
        if not text.strip():
            raise FileError(path, "the file is empty; expected <annotation>")
        root = parse_xml(text, path)
        if root.tag != "annotation":
            raise FileError(path, f"the root element is <{root.tag}>; expected <annotation>")
    except FileError as error:
        finding = Finding(Problem.BAD_ANNOTATION, path, error.where, error.detail)
        raise AnnotationError(finding) from None
    return root


def _read_object(node: Element, where: str) -> RawObject:
    name = class_name(_text(node, "name"))
    if not name:
        raise ValueError("no <name>")
    box = node.find("bndbox")
    if box is None:
        raise ValueError(f"{name}: no <bndbox>")
    texts = [_text(box, tag) for tag in _CORNERS]
    try:
        x1, y1, x2, y2 = map(float, texts)
    except ValueError:
        found = ", ".join(f"{tag} {text!r}" for tag, text in zip(_CORNERS, texts, strict=True))
        raise ValueError(f"{name}: {found}; expected four numbers") from None
    difficult = _text(node, "difficult") in ("1", "true", "True")
    return RawObject(name, (x1, y1, x2, y2), where, difficult)


def _read_size(root: Element) -> tuple[int, int] | None:
    """Width and height; None if they are missing, not numbers, or 0 as some tools write."""
    try:
        size = int(float(_text(root, "size/width"))), int(float(_text(root, "size/height")))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _text(node: Element, tag: str) -> str:
    return (node.findtext(tag) or "").strip()


def _read_lists(
    data_set: RawDataSet,
    lists: list[tuple[str, Path]],
    xml_files: dict[str, Path],
    index: ImageIndex,
) -> None:
    """Fill the splits from ImageSets/Main, one image per line; each XML file gives one entry."""
    entries: dict[str, Entry | None] = {}
    for split, path in lists:
        lines = read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            stem = _listed_stem(nfc(line.strip()), xml_files)
            if stem is None:
                detail = f"{line.strip()}: no such file in Annotations"
                data_set.findings.append(
                    Finding(Problem.MISSING_ANNOTATION, path, f"line {number}", detail)
                )
                continue
            if stem not in entries:
                entries[stem] = _make_entry(data_set, xml_files[stem], index)
            entry = entries[stem]
            if entry is not None:
                data_set.splits[split].append(entry)
    unlisted = len(xml_files.keys() - entries.keys())
    if unlisted:
        data_set.notes.append(f"annotation files in no list of ImageSets/Main: {unlisted}")


def _listed_stem(line: str, xml_files: dict[str, Path]) -> str | None:
    """The XML file a line refers to: by stem, by file name, or by stem and VOC's 1, 0 or -1."""
    candidates = (line, Path(line).stem, line.rsplit(maxsplit=1)[0])
    return next((name for name in candidates if name in xml_files), None)


def _read_xml_files(
    data_set: RawDataSet, xml_files: list[Path], index: ImageIndex, split: str
) -> None:
    """Fill one split from all XML files; images without an XML file become findings."""
    entries = [entry for path in xml_files if (entry := _make_entry(data_set, path, index))]
    if entries:
        data_set.splits[split] += entries
    annotated = {entry.image for entry in entries}
    data_set.findings += [
        Finding(Problem.MISSING_ANNOTATION, path, "", f"no XML file {path.stem}.xml")
        for path in index.paths
        if path not in annotated
    ]


def _make_entry(data_set: RawDataSet, path: Path, index: ImageIndex) -> Entry | None:
    """Match an XML file with the image of the same stem, or else with its <filename>."""
    images = index.find(path.stem)
    if len(images) != 1:
        try:
            filename = _text(_parse(path), "filename").replace("\\", "/").rsplit("/", 1)[-1]
        except AnnotationError as error:
            data_set.findings.append(error.finding)
            return None
        named = index.find(filename) if filename else []
        images = [image for image in images if image in named] or images or named
        if not images:
            detail = f"no image {path.stem}.*, and none named as its <filename> {filename!r}"
            data_set.findings.append(Finding(Problem.MISSING_IMAGE, path, "", detail))
            return None
    return Entry(images[0], path, partial(read_xml, path), cacheable=True)


def _subfolder(root: Path, name: str) -> Path | None:
    """The folder with this name in any case."""
    return next((p for p in sorted(root.iterdir()) if p.name.lower() == name and p.is_dir()), None)


def _xml_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() == ".xml" and not p.name.startswith("."))
