"""Two detectors on the same images: which objects one finds and the other does not."""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from utils.metrics.errors.outcomes import Outcomes, find_outcomes
from utils.metrics.statistics.bootstrap import bootstrap_ap, mean_over_classes
from utils.metrics.voc_map import match_voc
from utils.page.thumbnails import thumbnail_uri
from yolo4.evaluate.report.evaluation import Evaluation
from yolo4.evaluate.report.summary import RESAMPLES, interval, starting_threshold

FOUND_BY = ("both", "first", "second", "neither")

_MOST_IMAGES = 36
_SIDE = 480  # pixels of a picture


def compare(first: Evaluation, second: Evaluation, outcomes: Outcomes) -> dict[str, Any]:
    """What differs between two detectors, each at its own starting threshold.

    Args:
        first: the evaluation of the report.
        second: of another detector on the same images.
        outcomes: of the first.
    """
    both = (outcomes, find_outcomes(second.detections, second.records, second.class_names))
    starts = [starting_threshold(each) for each in (first, second)]
    pairs = list(zip(both, (start for start, _ in starts), strict=True))
    found = [each.found >= start for each, start in pairs]
    states = np.select([found[0] & found[1], found[0], found[1]], [0, 1, 2], 3)
    matches = [match_voc(e.detections, e.records, e.class_names) for e in (first, second)]
    ap = bootstrap_ap(matches, RESAMPLES, np.random.default_rng(0))
    means = mean_over_classes(ap)
    return {
        "name": second.name,
        "caveat": second.caveat,
        "map": second.metrics.map50,
        "difference": second.metrics.map50 - first.metrics.map50,
        "interval": interval(means[1] - means[0]),
        "thresholds": [start for start, _ in starts],
        "are_from_val": all(is_from_val for _, is_from_val in starts),
        "wrong": [int(each.wrong(start).sum()) for each, start in pairs],
        "classes": _by_class(first, second, outcomes, states),
        "images": _images(first, outcomes, states),
    }


def _by_class(
    first: Evaluation, second: Evaluation, outcomes: Outcomes, states: np.ndarray
) -> list[Any]:
    """Of each class: its objects by `FOUND_BY`, and both detectors' AP."""
    counts = np.zeros((outcomes.class_count, len(FOUND_BY)), np.int64)
    counted = ~outcomes.difficult
    np.add.at(counts, (outcomes.object_label[counted], states[counted]), 1)
    return [
        {
            "name": name,
            "counts": counts[label].tolist(),
            "ap": [float(each.metrics.voc.main.ap[label]) for each in (first, second)],
        }
        for label, name in enumerate(first.class_names)
    ]


def _images(first: Evaluation, outcomes: Outcomes, states: np.ndarray) -> list[Any]:
    """The images in which one of the two finds the most objects that the other does not."""
    is_differing = ((states == 1) | (states == 2)) & ~outcomes.difficult
    count = np.bincount(outcomes.object_image[is_differing], minlength=len(first.records))
    order = np.argsort(-count, kind="stable")[:_MOST_IMAGES]
    chosen = order[count[order] > 0].tolist()

    def draw(index: int) -> str | None:
        return thumbnail_uri(first.records[index].image, _SIDE) if first.has_images else None

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pictures = list(pool.map(draw, chosen))
    return [
        _image(first, outcomes, states, index) | {"picture": picture}
        for index, picture in zip(chosen, pictures, strict=True)
    ]


def _image(first: Evaluation, outcomes: Outcomes, states: np.ndarray, index: int) -> dict[str, Any]:
    """An image with its objects, each with who finds it."""
    record = first.records[index]
    objects = np.flatnonzero((outcomes.object_image == index) & ~outcomes.difficult)
    return {
        "name": record.image.name,
        "size": list(record.size),
        "boxes": [
            {"box": outcomes.object_boxes[i].round(1).tolist(), "state": FOUND_BY[states[i]]}
            for i in objects
        ],
        "counts": np.bincount(states[objects], minlength=len(FOUND_BY)).tolist(),
    }
