"""Makes a small data set in VOC layout, to try everything without a download."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from utils.errors import FileError, UserError
from utils.files.lock import locked
from utils.files.reading import read_json
from utils.files.writing import MODEL_DATA, temporary_folder
from utils.progress import progress_bar
from yolo4.sample_data.scene import SceneObject, draw_scene

SAMPLE_DATA = MODEL_DATA / "sample"

_WAIT = 600.0  # seconds, while another process draws
_VERSION = 4
_MARKER = "sample.json"
_SPLITS: tuple[str, ...] = ("train", "val", "test")


def make_sample_data(
    folder: str | Path,
    train: int = 400,
    val: int = 100,
    test: int = 100,
    size: int = 256,
    seed: int = 0,
) -> Path:
    """Draw a data set in VOC layout, or reuse it if the folder already has the same one.

    The images show apples, leaves, ladybirds (the small class) and keys (the rare class) over
    clutter. An image depends only on the seed, the size, its split and its number, so a smaller
    data set is the beginning of a larger one. The first image of each split shows every class.

    Args:
        folder: the output folder: `Annotations`, `JPEGImages`, `ImageSets/Main/<split>.txt`.
            It is written atomically.
        train: number of training images.
        val: number of validation images.
        test: number of test images.
        size: width and height of an image in pixels.
        seed: the same seed gives the same files, byte for byte.

    Returns:
        The folder.

    Raises:
        UserError: the folder contains anything but a sample data set, or cannot be written.
    """
    folder = Path(folder)
    counts = dict(zip(_SPLITS, (train, val, test), strict=True))
    if size < 96 or min(counts.values()) < 0:
        raise UserError(
            f"sample data: size {size}, counts {counts}; expected a size >= 96 and counts >= 0"
        )
    parameters = {"version": _VERSION, **counts, "size": size, "seed": seed}
    existing = _read_parameters(folder)
    if existing == parameters:
        return folder
    if folder.exists() and existing is None and (folder.is_file() or any(folder.iterdir())):
        raise UserError(f"{folder}: not a sample data set; expected a new or empty folder")
    try:
        with (
            locked(folder.parent, _WAIT, "name a data set with --data"),
            temporary_folder(folder.parent) as temporary,
        ):
            if _read_parameters(folder) == parameters:  # another process has drawn it meanwhile
                return folder
            fresh = temporary / "new"
            _write_set(fresh, counts, size, seed)
            (fresh / _MARKER).write_text(json.dumps(parameters) + "\n", encoding="utf-8")
            if folder.exists():
                folder.rename(temporary / "old")
            fresh.rename(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot write the sample data: {error}") from error
    return folder


def _read_parameters(folder: Path) -> dict[str, int] | None:
    """The parameters of the sample data set in a folder, None if it has no such data set."""
    try:
        content = read_json(folder / _MARKER)
    except FileError:
        return None
    # Another program's file may have this name; the folder must not be replaced then.
    is_sample = isinstance(content, dict) and content.keys() == {
        "version",
        *_SPLITS,
        "size",
        "seed",
    }
    return content if is_sample else None


def _write_set(folder: Path, counts: dict[str, int], size: int, seed: int) -> None:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)

    def draw(job: tuple[str, int]) -> None:
        split, index = job
        rng = np.random.default_rng((seed, _SPLITS.index(split), index))
        image, objects = draw_scene(rng, size, every_class=index == 0)
        _write_pair(folder, _name(split, index), image, objects)

    jobs = [(split, index) for split in _SPLITS for index in range(counts[split])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        drawn = pool.map(draw, jobs)
        list(progress_bar(drawn, "drawing sample data", len(jobs), leave=False))
    for split, count in counts.items():
        lines = "".join(f"{_name(split, index)}\n" for index in range(count))
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")


def _name(split: str, index: int) -> str:
    return f"{split}_{index:05d}"


def _write_pair(folder: Path, name: str, image: np.ndarray, objects: list[SceneObject]) -> None:
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
    (folder / "JPEGImages" / f"{name}.jpg").write_bytes(encoded.tobytes())
    root = ElementTree.Element("annotation")
    _add(root, folder="JPEGImages", filename=f"{name}.jpg")
    height, width, depth = image.shape
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=depth)
    for item in objects:
        node = ElementTree.SubElement(root, "object")
        _add(node, name=item.name, truncated=int(item.truncated), difficult=0)
        edges = dict(zip(("xmin", "ymin", "xmax", "ymax"), item.box, strict=True))
        _add(ElementTree.SubElement(node, "bndbox"), **edges)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    (folder / "Annotations" / f"{name}.xml").write_text(text + "\n", encoding="utf-8")


def _add(parent: ElementTree.Element, **values: str | int) -> None:
    for tag, value in values.items():
        ElementTree.SubElement(parent, tag).text = str(value)
