"""Pascal VOC: XML files, in VOC's own folders or beside the images as LabelImg writes them.

VOC counts pixels from 1 and means both corners inclusively; LabelImg and most other writers of
this format mean the edges, counted from 0. The files don't say which, and the two differ by one
pixel at most, so the coordinates are kept exactly as written and clipped to the image.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring as fromstring_with_care

from utils.annotations.source import (
    UNSPLIT,
    Annotation,
    AnnotationError,
    Entry,
    ImageIndex,
    Kind,
    Problem,
    RawObject,
    Source,
    files_below,
    nfc,
    split_of_folder,
)
from utils.errors import UserError
from utils.text import class_name, read_text

_CORNERS = ("xmin", "ymin", "xmax", "ymax")
_SPLITS = ("train", "val", "test", "trainval")


def read_voc(root: Path) -> Source | None:
    """Read the folders Annotations, JPEGImages (or images) and ImageSets/Main of a VOC data set.

    Returns:
        None where the folder is not laid out so.
    """
    annotations = _subfolder(root, "annotations")
    images = _subfolder(root, "jpegimages") or _subfolder(root, "images")
    if annotations is None or images is None:
        return None
    xml_files = _xml_files(annotations.iterdir())
    lists = [(split, root / "ImageSets" / "Main" / f"{split}.txt") for split in _SPLITS]
    lists = [(split, path) for split, path in lists if path.is_file()]
    if not xml_files:
        return None
    index = ImageIndex(files_below(images))
    if lists:
        source = Source("Pascal VOC folders, split by ImageSets/Main")
        _read_lists(source, lists, {nfc(path.stem): path for path in xml_files}, index)
    else:
        source = Source("Pascal VOC folders, without ImageSets/Main")
        _read_xml_files(source, xml_files, index, UNSPLIT)
    return source


def read_labelimg(root: Path) -> Source | None:
    """Read a folder, or folders below it, that hold images and XML files side by side.

    Folders named train, val (valid) and test are splits.

    Returns:
        None where there are no such files.
    """
    folders = defaultdict(list)
    for path in files_below(root):
        folders[path.parent].append(path)
    source = Source("images and Pascal VOC XML side by side")
    for folder, paths in folders.items():
        xml_files, index = _xml_files(paths), ImageIndex(paths)
        if xml_files and index.paths:
            _read_xml_files(source, xml_files, index, split_of_folder(folder, root))
    return source if source.splits or source.problems else None


def read_xml(path: Path) -> Annotation:
    """Read one VOC XML file.

    Raises:
        AnnotationError: the file cannot be read or is no VOC annotation.
    """
    root = _parse(path)
    objects, problems = [], []
    for number, node in enumerate(root.findall("object"), start=1):
        where = f"object {number}"
        try:
            objects.append(_read_object(node, where))
        except ValueError as error:
            problems.append(Problem(Kind.BAD_OBJECT, path, where, str(error)))
    return Annotation(objects, problems, _read_size(root))


def _parse(path: Path) -> Element:
    """The root of a VOC XML file."""
    bad = partial(Problem, Kind.BAD_ANNOTATION, path)
    try:
        text = read_text(path)
    except UserError as error:
        raise AnnotationError(bad("", "cannot be read")) from error
    if not text.strip():
        raise AnnotationError(bad("", "the file is empty"))
    try:
        # What can do harm stands in a document type; without one, C may read the text: 10 times as
        # fast.
        root = (fromstring_with_care if "<!DOCTYPE" in text else fromstring)(text)
    except ParseError as error:
        line, column = error.position
        reason = str(error).split(":")[0]
        raise AnnotationError(bad(f"line {line}", f"bad XML, {reason} (column {column})")) from None
    except DefusedXmlException:
        line = text[: text.find("<!ENTITY")].count("\n") + 1
        raise AnnotationError(bad(f"line {line}", "defines XML entities: not allowed")) from None
    except ValueError as error:
        raise AnnotationError(bad("", f"bad XML, {error}")) from None
    if root.tag != "annotation":
        raise AnnotationError(bad("", f"begins with <{root.tag}>, not with <annotation>"))
    return root


def _read_object(node: Element, where: str) -> RawObject:
    name = class_name(_text(node, "name"))
    if not name:
        raise ValueError("no <name>")
    box = node.find("bndbox")
    if box is None:
        raise ValueError(f"{name}: no <bndbox>")
    written = [_text(box, tag) for tag in _CORNERS]
    try:
        corners = tuple(float(value) for value in written)
    except ValueError:
        shown = ", ".join(f"{tag} {value!r}" for tag, value in zip(_CORNERS, written, strict=True))
        raise ValueError(f"{name}: a corner is no number ({shown})") from None
    return RawObject(name, corners, where, _text(node, "difficult") in ("1", "true", "True"))


def _read_size(root: Element) -> tuple[int, int] | None:
    """Width and height; None where they are missing, 0 (some tools write that) or no numbers."""
    try:
        size = int(float(_text(root, "size/width"))), int(float(_text(root, "size/height")))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 else None


def _text(node: Element, tag: str) -> str:
    return (node.findtext(tag) or "").strip()


def _read_lists(
    source: Source,
    lists: list[tuple[str, Path]],
    xml_files: dict[str, Path],
    index: ImageIndex,
) -> None:
    """Fill the source from ImageSets/Main, one image per line, read once however often listed."""
    entries: dict[str, Entry | None] = {}
    for split, path in lists:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            if not line.strip():
                continue
            stem = _listed_stem(nfc(line.strip()), xml_files)
            if stem is None:
                problem = f"{line.strip()}: no such file in Annotations"
                source.problems.append(
                    Problem(Kind.MISSING_ANNOTATION, path, f"line {number}", problem)
                )
                continue
            if stem not in entries:
                entries[stem] = _entry(source, xml_files[stem], index)
            if entries[stem] is not None:
                source.splits[split].append(entries[stem])
    unlisted = len(xml_files.keys() - entries.keys())
    if unlisted:
        source.notes.append(f"annotation files in no list of ImageSets/Main: {unlisted}")


def _listed_stem(line: str, xml_files: dict[str, Path]) -> str | None:
    """The annotation that a line means: a stem, a file's name, or a stem and VOC's 1, 0 or -1."""
    candidates = (line, Path(line).stem, line.rsplit(maxsplit=1)[0])
    return next((name for name in candidates if name in xml_files), None)


def _read_xml_files(source: Source, files: list[Path], index: ImageIndex, split: str) -> None:
    """Fill one split of the source from all XML files; images without one are problems."""
    entries = [entry for path in files if (entry := _entry(source, path, index))]
    if entries:
        source.splits[split] += entries
    annotated = {entry.image for entry in entries}
    source.problems += [
        Problem(Kind.MISSING_ANNOTATION, path, "", "no XML file of that name")
        for path in index.paths
        if path not in annotated
    ]


def _entry(source: Source, path: Path, index: ImageIndex) -> Entry | None:
    """The image that an XML file is about: that of its own name, or else of its <filename>."""
    images = index.find(path.stem)
    if len(images) == 1:
        return Entry(images[0], path, partial(read_xml, path), alone=True)
    try:
        filename = _text(_parse(path), "filename").replace("\\", "/").rsplit("/", 1)[-1]
    except AnnotationError as error:
        source.problems.append(error.problem)
        return None
    named = index.find(filename) if filename else []
    images = [image for image in images if image in named] or images or named
    if not images:
        missing = f"no image {path.stem}.*, nor one of its <filename> {filename!r}"
        source.problems.append(Problem(Kind.MISSING_IMAGE, path, "", missing))
        return None
    return Entry(images[0], path, partial(read_xml, path), alone=True)


def _subfolder(root: Path, name: str) -> Path | None:
    """The folder of that name, in any case."""
    return next((p for p in sorted(root.iterdir()) if p.name.lower() == name and p.is_dir()), None)


def _xml_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(p for p in paths if p.suffix.lower() == ".xml" and not p.name.startswith("."))
