"""The formats of data sets, and how the format of a folder or file is found.

To add a format, define a `DataFormat` in a new file here and add it to `FORMATS`. Nothing else
has to change: detection and the error messages use this list.
"""

from collections.abc import Iterable
from pathlib import Path

from utils.annotations.formats import createml, cvat, labelme, lists, tf_csv, via
from utils.annotations.formats.coco.files import COCO_JSON
from utils.annotations.formats.seen import describe_contents
from utils.annotations.formats.unused import note_unused
from utils.annotations.formats.voc.folders import (
    LABELIMG,
    NESTED_VOC_FOLDERS,
    VOC_ANYWHERE,
    VOC_FOLDERS,
)
from utils.annotations.formats.yolo.data_yaml import DATA_YAML
from utils.annotations.formats.yolo.folders import IMAGES_WITH_LABELS
from utils.annotations.formats.yolo.image_lists import IMAGE_LISTS
from utils.annotations.raw import DataFormat, RawDataSet
from utils.errors import UserError

# The first format that accepts a folder or file reads it, so stricter formats come first.
FORMATS: tuple[DataFormat, ...] = (
    VOC_FOLDERS,
    DATA_YAML,
    COCO_JSON,
    cvat.CVAT_XML,
    NESTED_VOC_FOLDERS,
    LABELIMG,
    IMAGES_WITH_LABELS,
    lists.LIST_FILES,
    IMAGE_LISTS,
    labelme.LABELME_JSON,
    createml.CREATEML_JSON,
    via.VIA_JSON,
    via.VIA_CSV,
    tf_csv.TF_CSV,
    VOC_ANYWHERE,
)


def read_data_sets(path: Path) -> list[RawDataSet]:
    """Read a folder or file of any format, without checking images and boxes.

    Args:
        path: a folder, or a file that defines a data set, such as a COCO .json.

    Returns:
        One data set, or several if subfolders are data sets (VOCdevkit).

    Raises:
        UserError: `path` does not exist or has no known format.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    is_folder = path.is_dir()
    readers = (format.read_folder if is_folder else format.read_file for format in FORMATS)
    data_sets = next(filter(None, (read(path) for read in readers)), [])
    if not data_sets:
        expected = [format.folder if is_folder else format.file for format in FORMATS]
        raise UserError(
            f"{path}: no data set of a known format: found {describe_contents(path)}; expected "
            f"{_any_of(filter(None, expected))}"
        )
    if is_folder:
        note_unused(path, data_sets)
    return data_sets


def _any_of(descriptions: Iterable[str]) -> str:
    *others, last = descriptions
    return f"{', '.join(others)}, or {last}"
