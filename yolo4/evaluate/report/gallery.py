"""The images that cost most AP, with what the browser needs to draw their boxes."""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from utils.draw import draw_truth_and_detections
from utils.files.writing import write_atomically
from utils.image import ImageError, read_image
from utils.metrics.errors.outcomes import Outcomes
from utils.metrics.statistics.bootstrap import weighted_ap
from utils.metrics.voc_map import match_voc
from utils.page.frames import frame_boxes
from utils.page.thumbnails import encode_jpeg, fit, jpeg_uri
from yolo4.evaluate.report.evaluation import Evaluation

IMAGES = "report_images"

_MOST_IMAGES = 150
_MOST_CHARACTERS = 16_000_000  # of all thumbnails, so that the page has about 20 MB at most
_MOST_MEASURED = 400
_AT_ONCE = 50
_SIDE = 480  # pixels of a thumbnail
_LARGEST_SIDE = 2048  # pixels of a copy


def find_costly(evaluation: Evaluation, outcomes: Outcomes, threshold: float) -> list[Any]:
    """The images without which mean AP would rise most, the most costly first.

    Of many images, only those with the most errors at the threshold are measured; an error counts
    in inverse proportion to the objects of its class.

    Returns:
        For each image its `index` and its `cost`, a fraction of 1 of mean AP.
    """
    candidates = _with_errors(len(evaluation.records), outcomes, threshold)[:_MOST_MEASURED]
    matches = match_voc(evaluation.detections, evaluation.records, evaluation.class_names)
    ap = evaluation.metrics.voc.main.ap
    measured = ~np.isnan(ap)
    costs = np.zeros(len(candidates))
    for start in range(0, len(candidates), _AT_ONCE):
        part = candidates[start : start + _AT_ONCE]
        weights = np.ones((len(evaluation.records), len(part)))
        weights[part, np.arange(len(part))] = 0
        without = weighted_ap(matches, weights)[measured]
        rise = np.nan_to_num(without - ap[measured][:, None])
        costs[start : start + len(part)] = rise.mean(axis=0) if len(rise) else 0
    order = np.argsort(-costs, kind="stable")[:_MOST_IMAGES]
    return [{"index": int(candidates[i]), "cost": float(costs[i])} for i in order]


def _with_errors(count: int, outcomes: Outcomes, threshold: float) -> np.ndarray:
    """Indices of the images with errors at the threshold, those with the most first."""
    weight = 1 / np.maximum(1, outcomes.objects)
    is_wrong = outcomes.wrong(threshold)
    is_missed = ~outcomes.difficult & ~(outcomes.found >= threshold)
    errors = np.zeros(count)
    np.add.at(errors, outcomes.image[is_wrong], weight[outcomes.label[is_wrong]])
    np.add.at(errors, outcomes.object_image[is_missed], weight[outcomes.object_label[is_missed]])
    order = np.argsort(-errors, kind="stable")
    return order[errors[order] > 0]


def make_gallery(evaluation: Evaluation, outcomes: Outcomes, threshold: float) -> list[Any]:
    """The entries of the gallery: for each costly image its boxes, without its picture.

    The boxes are those of `utils.page.frames.frame_boxes`.
    """
    entries = find_costly(evaluation, outcomes, threshold)
    for entry in entries:
        record = evaluation.records[entry["index"]]
        entry |= {"name": record.image.name, "size": list(record.size)}
        entry |= frame_boxes(outcomes, entry["index"])
    return entries


def add_pictures(
    entries: list[Any], evaluation: Evaluation, threshold: float, folder: Path
) -> None:
    """Add the `picture` and the link `full_size` of each entry, and write the copies.

    Args:
        entries: from `make_gallery`; changed in place. An image that cannot be read has None,
            and so does the picture of one that would make the page too large.
        evaluation: what was measured.
        threshold: lowest score of a detection that the copies show.
        folder: of the page; the copies are in its folder `IMAGES`.
    """
    copies = folder / IMAGES
    for old in copies.glob("[0-9][0-9][0-9]_*.jpg"):
        old.unlink()

    def draw(ranked: tuple[int, Any]) -> None:
        rank, entry = ranked
        record = evaluation.records[entry["index"]]
        name = f"{rank:03}_{re.sub(r'[^A-Za-z0-9.-]+', '_', record.image.stem)[:60]}.jpg"
        pixels = _read(record.image) if evaluation.has_images else None
        if pixels is None:
            entry |= {"picture": None, "full_size": None}
            return
        found = evaluation.detections[entry["index"]]
        both = draw_truth_and_detections(pixels, record, found, evaluation.class_names, threshold)
        write_atomically(copies / name, encode_jpeg(both), durable=False)
        entry["picture"] = jpeg_uri(fit(pixels, _SIDE)[0])
        entry["full_size"] = quote(f"{IMAGES}/{name}")

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(draw, enumerate(entries, start=1)))
    sizes = np.cumsum([len(entry["picture"] or "") for entry in entries])
    for entry in entries[np.searchsorted(sizes, _MOST_CHARACTERS, side="right") :]:
        entry["picture"] = None


def _read(path: Path) -> np.ndarray | None:
    try:
        pixels = read_image(path, _LARGEST_SIDE)
    except ImageError:
        return None
    return fit(pixels, _LARGEST_SIDE)[0] if max(pixels.shape) > _LARGEST_SIDE else pixels
