"""Pictures of a study's report: where the arms differ most, and which negatives cost most."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from utils.draw import draw_boxes
from utils.image import ImageError, read_image
from utils.metrics.voc_map import VocMatches, match_voc
from utils.page.thumbnails import crop_around, fit, jpeg_uri
from utils.records import Detections, Record
from yolo4.compare.report.figures.common import Report
from yolo4.compare.report.measured import Measured, MeasuredRun
from yolo4.compare.study_files import MeasuredImages

_MOST_IMAGES = 6
_LONG_SIDE = 480
_CROP_SIDE = 160
_LEAST_CROP = 48  # pixels of the image file
_NEGATIVE_COLOR, _OBJECT_COLOR = (230, 60, 40), (40, 200, 90)


def add_pictures(report: Report, measured: Measured) -> None:
    """Add `differing_images` to a report, and a picture to each of the worst negatives.

    The picture of an image that can no longer be read is left out.

    Args:
        report: from `yolo4.compare.report.summary.summarize`; changed in place.
        measured: the finished runs.
    """
    report["differing_images"] = _differing(measured)
    runs = [run for by_seed in measured.values() for run in by_seed.values()]
    records = {str(record.image): record for run in runs for record in run.images.val}
    for arm in report["arms"]:
        for negative in arm["worst_negatives"]:
            record = records.get(negative["image"])
            negative["picture"] = _crop(negative, record) if record else None


def without_pictures(value: Any) -> Any:
    """A report without its pictures."""
    if isinstance(value, dict):
        return {k: without_pictures(v) for k, v in value.items() if k != "picture"}
    return [without_pictures(entry) for entry in value] if isinstance(value, list) else value


def _differing(measured: Measured) -> list[dict[str, Any]]:
    """The images on which the arms differ most, in the runs of the first seed that all finished.

    Each arm keeps the detections above the threshold that validation images chose for its run. The
    score of an image is the largest difference between two arms in true positives minus false
    positives and missed objects.
    """
    arms = {name: runs for name, runs in measured.items() if runs}
    seeds = set.intersection(*(set(runs) for runs in arms.values())) if arms else set()
    if len(arms) < 2 or not seeds:
        return []
    images = next(iter(arms.values()))[min(seeds)].images
    kept = {name: _above_threshold(runs[min(seeds)]) for name, runs in arms.items()}
    counts = {name: _counts(detections, images) for name, detections in kept.items()}
    values = np.stack([tp - fp - missed for tp, fp, missed in counts.values()])
    score = values.max(axis=0) - values.min(axis=0)
    order = [i for i in np.argsort(-score, kind="stable")[:_MOST_IMAGES] if score[i] > 0]
    return [
        {
            "image": images.records[i].image.name,
            "score": int(score[i]),
            "found": {
                name: "{} right, {} wrong, {} missed".format(*(int(n[i]) for n in numbers))
                for name, numbers in counts.items()
            },
            "picture": _side_by_side(images, i, {name: each[i] for name, each in kept.items()}),
        }
        for i in order
    ]


def _above_threshold(run: MeasuredRun) -> list[Detections]:
    """The detections that score at least the run's threshold; none without one."""
    threshold = np.inf if run.choice.threshold is None else run.choice.threshold
    rows = [detections.scores >= threshold for detections in run.detections]
    return [
        Detections(detections.boxes[row], detections.scores[row], detections.labels[row])
        for detections, row in zip(run.detections, rows, strict=True)
    ]


def _counts(
    detections: Sequence[Detections], images: MeasuredImages
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and missed objects, each int64 `[images]`."""
    matches: VocMatches = match_voc(detections, images.records, images.class_names)
    count = len(images.records)
    tp = np.bincount(matches.images[matches.is_tp], minlength=count)
    fp = np.bincount(matches.images[~matches.is_tp], minlength=count)
    return tp, fp, matches.num_gt.sum(axis=1) - tp


def _side_by_side(
    images: MeasuredImages, index: int, by_arm: Mapping[str, Detections]
) -> dict[str, str]:
    """One image with the ground truth, and with each arm's detections, as data URIs."""
    record = images.records[index]
    pixels = _read(record.image)
    if pixels is None:
        return {}
    small, scale = fit(pixels, _LONG_SIDE)
    names = images.class_names
    drawn = {"ground truth": draw_boxes(small, record.boxes * scale, record.labels, names)}
    for arm, each in by_arm.items():
        drawn[arm] = draw_boxes(small, each.boxes * scale, each.labels, names, each.scores)
    return {name: jpeg_uri(picture) for name, picture in drawn.items()}


def _crop(negative: Mapping[str, Any], record: Record) -> str | None:
    """A negative's box with its surroundings, and the objects there, as a data URI."""
    pixels = _read(record.image)
    if pixels is None or not _is_inside(negative["box"], pixels):
        return None
    crop, corner, scale = crop_around(pixels, negative["box"], _CROP_SIDE, _LEAST_CROP)
    outlined = [(box, _OBJECT_COLOR) for box in record.boxes]
    for box, color in [*outlined, (negative["box"], _NEGATIVE_COLOR)]:
        corners = ((np.asarray(box).reshape(2, 2) - corner) * scale).round().astype(int)
        (x1, y1), (x2, y2) = corners.tolist()
        cv2.rectangle(crop, (x1, y1), (x2, y2), color, 2)
    return jpeg_uri(crop)


def _is_inside(box: Sequence[float], pixels: np.ndarray) -> bool:
    """Whether a box lies in an image, which may have been replaced since; half a pixel is left."""
    height, width = pixels.shape[:2]
    x1, y1, x2, y2 = box
    return -0.5 <= x1 < x2 <= width + 0.5 and -0.5 <= y1 < y2 <= height + 0.5


def _read(path: Path) -> np.ndarray | None:
    try:
        return read_image(path)
    except ImageError:
        return None
