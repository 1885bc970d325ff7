"""Finds out which format a data set has."""

from pathlib import Path

from utils.annotations.coco import read_coco, read_coco_files
from utils.annotations.lists import find_list_files, is_list_file, read_list_files
from utils.annotations.source import Source, split_of_folder
from utils.annotations.voc import read_labelimg, read_voc
from utils.annotations.yolo import (
    find_yolo_yaml,
    lists_images,
    read_yolo_folder,
    read_yolo_lists,
    read_yolo_yaml,
)
from utils.errors import UserError

_FOLDER_FORMATS = (
    read_voc,
    find_yolo_yaml,
    read_coco,
    read_labelimg,
    read_yolo_folder,
    find_list_files,
)
_LOOKED_FOR = (
    "Annotations/ with JPEGImages/ (Pascal VOC), annotations/*.json (COCO), XML files beside images"
    " (LabelImg), data.yaml or images/ with labels/ (YOLO txt), list files with lines of"
    " 'path x1,y1,x2,y2,class'"
)


def read_sources(path: Path) -> list[Source]:
    """Read a data set of any format, nothing checked yet.

    Args:
        path: a folder, or a COCO .json, YOLO .yaml or list .txt file.

    Returns:
        One source; or several where the folder holds folders that are data sets (VOCdevkit).

    Raises:
        UserError: there is nothing, or nothing of a known format.
    """
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    return [_read_file(path)]


def _read_folder(root: Path) -> list[Source]:
    for read in _FOLDER_FORMATS:
        if read is read_labelimg and (inner := _inner_voc(root)):
            return inner
        source = read(root)
        if source is not None:
            return [source]
    raise UserError(f"{root}: no data set found in it; looked for {_LOOKED_FOR}")


def _inner_voc(root: Path) -> list[Source]:
    """VOC data sets up to two folders down, as in VOCdevkit/VOC2007 or train, val and test."""
    for pattern in ("*/", "*/*/"):
        folders = [folder for folder in sorted(root.glob(pattern)) if folder.is_dir()]
        found = {folder: source for folder in folders if (source := read_voc(folder))}
        for folder, source in found.items():
            source.take_for(split_of_folder(folder, root))
        if found:
            return list(found.values())
    return []


def _read_file(path: Path) -> Source:
    match path.suffix.lower():
        case ".json":
            root = path.parent.parent if path.parent.name.lower() == "annotations" else path.parent
            return read_coco_files([path], root, required=True)
        case ".yaml" | ".yml":
            return read_yolo_yaml(path)
        case ".txt" if is_list_file(path):
            return read_list_files([path])
        case ".txt" if lists_images(path):
            return read_yolo_lists([path])
    raise UserError(
        f"{path}: not a data set; a file can be a COCO .json, a YOLO data.yaml, or a .txt list"
        " with lines of 'path x1,y1,x2,y2,class'"
    )
