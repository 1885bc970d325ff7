"""The lists of images in a folder `ImageSets`, which define the splits of a VOC data set."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from utils.annotations.formats.voc.matching import Matcher, entries_of
from utils.annotations.image_files import nfc, path_parts, subfolder
from utils.annotations.raw import UNSPLIT, Finding, Problem, RawDataSet
from utils.annotations.split_names import split_of_list
from utils.files.reading import MOST_BYTES_OF_DATA_SET, read_text


def find_lists(root: Path, data_set: RawDataSet) -> dict[Path, str]:
    """The split of each list in `ImageSets/Main`, or else in `ImageSets` itself.

    Without a list that is named after a split, a single other list (CVAT's `default.txt`) names the
    images of the data set. Lists that are not used become `data_set.unused`.
    """
    image_sets = subfolder(root, "imagesets")
    if image_sets is None:
        return {}
    places = [place for place in (subfolder(image_sets, "main"), image_sets) if place]
    found = [path for place in places for path in sorted(place.glob("*.txt"))]
    for place in places:
        splits = {path: split_of_list(path.stem) for path in found if path.parent == place}
        if named := {path: split for path, split in splits.items() if split}:
            return named
    if len(found) == 1:
        return {found[0]: UNSPLIT}
    data_set.unused |= dict.fromkeys(found, "its name is that of no split")
    return {}


def fill_from_lists(
    data_set: RawDataSet, lists: dict[Path, str], xml_files: Sequence[Path], matcher: Matcher
) -> None:
    """Fill the splits from lists of one image per line.

    Args:
        data_set: receives the entries; lines without an XML file become findings, and XML files in
            no list are not used.
        lists: the split of each list.
        xml_files: all XML files.
        matcher: finds their images.
    """
    by_name = _by_name(xml_files)
    listed: dict[str, list[Path]] = defaultdict(list)
    for path, split in lists.items():
        lines = read_text(path, MOST_BYTES_OF_DATA_SET).splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            named = _named(nfc(line.strip()), by_name)
            if len(named) == 1:
                listed[split] += named
                continue
            found = (
                f"{len(named)} XML files have this name" if named else "no XML file of this name"
            )
            finding = Finding(
                Problem.MISSING_ANNOTATION, path, f"line {number}", f"{line.strip()}: {found}"
            )
            data_set.findings.append(finding)
    used = dict.fromkeys(path for paths in listed.values() for path in paths)
    entries = entries_of(data_set, list(used), matcher)
    for split, paths in listed.items():
        data_set.splits[split] += [entries[path] for path in paths if path in entries]
    reason = f"in no list of {next(iter(lists)).parent.name}"
    data_set.unused |= {path: reason for path in xml_files if path not in used}


def _by_name(xml_files: Sequence[Path]) -> dict[str, list[Path]]:
    """XML files by their stems, also with their folders in front: `x`, `day0/x`."""
    names = defaultdict(list)
    for path in xml_files:
        parts = [*map(nfc, path.parts[-3:-1]), nfc(path.stem)]
        for start in range(len(parts)):
            names["/".join(parts[start:])].append(path)
    return names


def _named(line: str, by_name: dict[str, list[Path]]) -> list[Path]:
    """The XML files a line refers to: by stem, by file name, or by stem and VOC's 1, 0 or -1."""
    for name in (line, line.rpartition(".")[0], line.rsplit(maxsplit=1)[0]):
        parts = path_parts(name)[-3:]
        for start in range(len(parts)):
            if found := by_name.get("/".join(parts[start:])):
                return found
    return []
