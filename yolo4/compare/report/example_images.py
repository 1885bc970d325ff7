"""Pictures of a study's report, as data URIs: where the arms differ, and what costs them most."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.draw import draw_boxes
from utils.image import ImageError, read_image
from utils.metrics.voc_map import VocMatches, match_voc
from utils.records import Detections, Record
from yolo4.compare.report.summary import Measured, MeasuredRun
from yolo4.compare.study_files import MeasuredImages

_MOST_IMAGES = 6
_LONG_SIDE = 480
_CROP_SIDE = 160
_LEAST_CROP = 48  # pixels of the source
_NEGATIVE, _OBJECT = (230, 60, 40), (40, 200, 90)


def add_pictures(report: dict[str, Any], images: MeasuredImages, measured: Measured) -> None:
    """Put `differing_images` into a report, and a picture into each of the worst negatives.

    An image that can't be read any more leaves its place empty.

    Args:
        report: what `yolo4.compare.report.summary.summarize` makes; changed.
        images: what the runs were measured on.
        measured: the finished runs.
    """
    report["differing_images"] = _differing(images, measured)
    records = {str(record.image): record for record in images.val}
    for arm in report["arms"]:
        for negative in arm["worst_negatives"]:
            record = records.get(negative["image"])
            negative["picture"] = _crop(negative, record) if record else None


def without_pictures(value: Any) -> Any:
    """A report's numbers alone."""
    if isinstance(value, dict):
        return {k: without_pictures(v) for k, v in value.items() if k != "picture"}
    return [without_pictures(entry) for entry in value] if isinstance(value, list) else value


def _differing(images: MeasuredImages, measured: Measured) -> list[dict[str, Any]]:
    """The images on which the arms differ most, by the runs of the first seed all finished.

    Each arm keeps the detections above its run's best threshold; an image counts by the largest
    difference between two arms in right detections less wrong and missed ones.
    """
    arms = {name: runs for name, runs in measured.items() if runs}
    seeds = set.intersection(*(set(runs) for runs in arms.values())) if arms else set()
    if len(arms) < 2 or not seeds:
        return []
    chosen = {name: runs[min(seeds)] for name, runs in arms.items()}
    kept = {name: _kept(run) for name, run in chosen.items()}
    counts = {name: _counts(found, images) for name, found in kept.items()}
    worth = np.stack([right - wrong - missed for right, wrong, missed in counts.values()])
    score = worth.max(axis=0) - worth.min(axis=0)
    order = [i for i in np.argsort(-score, kind="stable")[:_MOST_IMAGES] if score[i] > 0]
    return [
        {
            "image": images.records[i].image.name,
            "score": int(score[i]),
            "found": {
                name: "{} right, {} wrong, {} missed".format(*(int(n[i]) for n in numbers))
                for name, numbers in counts.items()
            },
            "picture": _side_by_side(images, i, {name: found[i] for name, found in kept.items()}),
        }
        for i in order
    ]


def _kept(run: MeasuredRun) -> list[Detections]:
    threshold = run.metrics.voc.main.overall.best_f1().threshold
    rows = [found.scores >= threshold for found in run.found]
    return [
        Detections(found.boxes[row], found.scores[row], found.labels[row])
        for found, row in zip(run.found, rows, strict=True)
    ]


def _counts(
    found: Sequence[Detections], images: MeasuredImages
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right and wrong detections and missed objects of each image."""
    matches: VocMatches = match_voc(found, images.records, images.class_names)
    count = len(images.records)
    right = np.bincount(matches.images[matches.is_tp], minlength=count)
    wrong = np.bincount(matches.images[~matches.is_tp], minlength=count)
    return right, wrong, matches.objects.sum(axis=1) - right


def _side_by_side(
    images: MeasuredImages, index: int, found: Mapping[str, Detections]
) -> dict[str, str]:
    record = images.records[index]
    pixels = _read(record.image)
    if pixels is None:
        return {}
    scale = _LONG_SIDE / max(pixels.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in pixels.shape[1::-1])
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    names = images.class_names
    drawn = {"ground truth": draw_boxes(small, record.boxes * scale, record.labels, names)}
    for arm, boxes in found.items():
        drawn[arm] = draw_boxes(small, boxes.boxes * scale, boxes.labels, names, boxes.scores)
    return {name: _data_uri(picture) for name, picture in drawn.items()}


def _crop(negative: Mapping[str, Any], record: Record) -> str | None:
    """A negative's box and its surroundings; objects there are outlined in green."""
    pixels = _read(record.image)
    if pixels is None:
        return None
    x1, y1, x2, y2 = negative["box"]
    half = max(x2 - x1, y2 - y1, _LEAST_CROP / 2)
    left, top = max(0, round((x1 + x2) / 2 - half)), max(0, round((y1 + y2) / 2 - half))
    crop = pixels[top : top + round(2 * half), left : left + round(2 * half)]
    scale = _CROP_SIDE / max(crop.shape[:2])
    crop = np.ascontiguousarray(cv2.resize(crop, None, fx=scale, fy=scale))
    outlined = [(box, _OBJECT) for box in record.boxes] + [(negative["box"], _NEGATIVE)]
    for box, color in outlined:
        corners = ((np.asarray(box).reshape(2, 2) - (left, top)) * scale).round().astype(int)
        cv2.rectangle(crop, *map(tuple, corners.tolist()), color, 2)
    return _data_uri(crop)


def _read(path: Path) -> np.ndarray | None:
    try:
        return read_image(path)
    except ImageError:
        return None


def _data_uri(pixels: np.ndarray) -> str:
    bgr = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    ok, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert ok, "OpenCV encodes any 8-bit image as JPEG"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
