"""The boxes of an image in the form that `frames.js` draws: right, wrong and not found."""

from typing import Any

import numpy as np

from utils.metrics.errors.outcomes import Outcomes

_MOST_DETECTIONS = 100  # of an image


def frame_boxes(outcomes: Outcomes, index: int) -> dict[str, list[Any]]:
    """The `objects` and the best `detections` of an image.

    An object is `[x1, y1, x2, y2, label, difficult, found, explained]`, a detection `[x1, y1, x2,
    y2, label, score, kind, label of the object or -1]`, in pixels of the image.

    Args:
        outcomes: of all images.
        index: of the image.
    """
    objects = np.flatnonzero(outcomes.object_image == index).tolist()
    first, end = np.searchsorted(outcomes.image, [index, index + 1])
    rows = range(first, min(end, first + _MOST_DETECTIONS))
    return {
        "objects": [_object(outcomes, i) for i in objects],
        "detections": [_detection(outcomes, i) for i in rows],
    }


def _object(outcomes: Outcomes, i: int) -> list[Any]:
    box = outcomes.object_boxes[i].round(1).tolist()
    scores = [_score(scores[i]) for scores in (outcomes.found, outcomes.explained)]
    return [*box, int(outcomes.object_label[i]), int(outcomes.difficult[i]), *scores]


def _detection(outcomes: Outcomes, i: int) -> list[Any]:
    of_object = outcomes.object[i]
    other = int(outcomes.object_label[of_object]) if of_object >= 0 else -1
    box = outcomes.boxes[i].round(1).tolist()
    kind = str(outcomes.kind[i])
    return [*box, int(outcomes.label[i]), float(outcomes.score[i]), kind, other]


def _score(score: float) -> float | None:
    return float(score) if np.isfinite(score) else None
