"""The pictures of a training's page: validation images with their boxes, and the first batch."""

import functools
from pathlib import Path
from typing import Any

import numpy as np

from utils.metrics.errors.outcomes import find_outcomes
from utils.page.frames import frame_boxes
from utils.page.thumbnails import thumbnail_uri
from yolo4.train.page.moment import Moment
from yolo4.train.previews import spread_over_images

_MOST_IMAGES = 12
_SIDE, _BATCH_SIDE = 480, 1200  # pixels of a picture


def first_batch(file: Path) -> str | None:
    """The first training batch as a data URI; None if its file is gone."""
    return _picture(file, _BATCH_SIDE)


def validation_images(moment: Moment) -> list[dict[str, Any]]:
    """Validation images, the same ones every time, with their boxes and what is right in each."""
    records, names = moment.setup.val, moment.setup.class_names
    chosen = spread_over_images(records, _MOST_IMAGES)
    records = [records[index] for index in chosen]
    outcomes = find_outcomes([moment.detections[index] for index in chosen], records, names)
    least = np.inf if moment.threshold is None else moment.threshold
    is_hit = (outcomes.found >= least) & ~outcomes.difficult
    is_missed, is_wrong = ~is_hit & ~outcomes.difficult, outcomes.wrong(least)
    return [
        {
            "name": record.image.name,
            "size": list(record.size),
            "picture": _picture(record.image, _SIDE),
            "hits": int(is_hit[outcomes.object_image == i].sum()),
            "misses": int(is_missed[outcomes.object_image == i].sum()),
            "false_alarms": int(is_wrong[outcomes.image == i].sum()),
            **frame_boxes(outcomes, i),
        }
        for i, record in enumerate(records)
    ]


def _picture(file: Path, long_side: int) -> str | None:
    try:
        return _thumbnail(file, long_side, file.stat().st_mtime_ns)
    except OSError:
        return None


@functools.lru_cache(maxsize=2 * _MOST_IMAGES)
def _thumbnail(file: Path, long_side: int, changed: int) -> str | None:
    """As `thumbnail_uri`, once for a file: only the boxes over it change during a training."""
    return thumbnail_uri(file, long_side)
