"""A small data set in VOC layout, drawn on the spot, to try everything without a download."""

import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
from tqdm import tqdm

from utils.errors import UserError
from utils.files import MODEL_DATA
from yolo4.sample_data.scene import SceneObject, draw_scene

SAMPLE_DATA = MODEL_DATA / "sample"

_VERSION = 3
_MARKER = "sample.json"
_SPLITS = ("train", "val", "test")


def make_sample_data(
    folder: str | Path,
    train: int = 400,
    val: int = 100,
    test: int = 100,
    size: int = 256,
    seed: int = 0,
) -> Path:
    """Draw a data set in VOC layout, or reuse the one that is there already.

    Pictures of apples, leaves, ladybirds (the small class) and keys (the rare one) over clutter.
    A picture depends on the seed, the size, its split and its number alone, so a smaller set is
    the beginning of a larger one; the first picture of each split shows every class.

    Args:
        folder: where the set goes: `Annotations`, `JPEGImages`, `ImageSets/Main/<split>.txt`.
            It appears whole or not at all.
        train: number of training pictures.
        val: number of validation pictures.
        test: number of test pictures.
        size: width and height of a picture in pixels.
        seed: the same seed gives the same files, byte for byte.

    Returns:
        The folder.

    Raises:
        UserError: the folder holds something else than such a set, or cannot be written.
    """
    folder = Path(folder)
    counts = dict(zip(_SPLITS, (train, val, test), strict=True))
    if size < 96 or min(counts.values()) < 0:
        raise UserError(f"sample data: size {size} must be >= 96 and the counts {counts} >= 0")
    made_with = {"version": _VERSION, **counts, "size": size, "seed": seed}
    there = _parameters(folder)
    if there == made_with:
        return folder
    if folder.exists() and there is None and (folder.is_file() or any(folder.iterdir())):
        raise UserError(f"{folder}: is not a sample data set; name a folder that is new or empty")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sample-", dir=folder.parent) as temporary:
            fresh = Path(temporary, "new")
            _write_set(fresh, counts, size, seed)
            (fresh / _MARKER).write_text(json.dumps(made_with) + "\n", encoding="utf-8")
            _put_in_place(fresh, folder, made_with)
    except OSError as error:
        raise UserError(f"{folder}: the sample data cannot be written: {error}") from error
    return folder


def _parameters(folder: Path) -> dict[str, int] | None:
    """What the set in the folder was made with; None when there is no such set."""
    try:
        found = json.loads((folder / _MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    # Another program's file of that name: what lies beside it must not be replaced.
    is_ours = isinstance(found, dict) and found.keys() == {"version", *_SPLITS, "size", "seed"}
    return found if is_ours else None


def _put_in_place(fresh: Path, folder: Path, made_with: dict[str, int]) -> None:
    if folder.exists():
        folder.rename(fresh.with_name("old"))
    try:
        fresh.rename(folder)
    except OSError:
        # Another process may have put the same set there in the meantime.
        if _parameters(folder) != made_with:
            raise


def _write_set(folder: Path, counts: dict[str, int], size: int, seed: int) -> None:
    for name in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)

    def draw(job: tuple[str, int]) -> None:
        split, index = job
        rng = np.random.default_rng((seed, _SPLITS.index(split), index))
        picture, objects = draw_scene(rng, size, every_class=index == 0)
        _write_pair(folder, _name(split, index), picture, objects)

    jobs = [(split, index) for split in _SPLITS for index in range(counts[split])]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(tqdm(pool.map(draw, jobs), "drawing sample data", len(jobs), leave=False))
    for split, count in counts.items():
        lines = "".join(f"{_name(split, index)}\n" for index in range(count))
        (folder / "ImageSets" / "Main" / f"{split}.txt").write_text(lines, encoding="utf-8")


def _name(split: str, index: int) -> str:
    return f"{split}_{index:05d}"


def _write_pair(folder: Path, name: str, picture: np.ndarray, objects: list[SceneObject]) -> None:
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 93])[1]
    (folder / "JPEGImages" / f"{name}.jpg").write_bytes(encoded.tobytes())
    root = ElementTree.Element("annotation")
    _add(root, folder="JPEGImages", filename=f"{name}.jpg")
    height, width, depth = picture.shape
    _add(ElementTree.SubElement(root, "size"), width=width, height=height, depth=depth)
    for found in objects:
        node = ElementTree.SubElement(root, "object")
        _add(node, name=found.name, truncated=int(found.truncated), difficult=0)
        edges = dict(zip(("xmin", "ymin", "xmax", "ymax"), found.box, strict=True))
        _add(ElementTree.SubElement(node, "bndbox"), **edges)
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    (folder / "Annotations" / f"{name}.xml").write_text(text + "\n", encoding="utf-8")


def _add(parent: ElementTree.Element, **values: str | int) -> None:
    for tag, value in values.items():
        ElementTree.SubElement(parent, tag).text = str(value)
