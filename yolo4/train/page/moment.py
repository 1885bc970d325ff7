"""What a page of a training is about: the training at the moment of a validation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from utils.metrics.voc_map import VocResult
from utils.records import Detections
from yolo4.train.setup import TrainingSetup
from yolo4.train.state.progress import Progress


@dataclass(frozen=True, eq=False)
class Moment:
    """A training at the moment of a validation.

    Attributes:
        setup: of the training.
        progress: how far it is, with this epoch in its history.
        voc: average precision on the validation images.
        detections: in each of them.
        threshold: the score with the highest F1 for the best weights so far; None if nothing was
            right yet.
        seconds_left: the time that the rest will take.
        now: the time.
    """

    setup: TrainingSetup
    progress: Progress
    voc: VocResult
    detections: Sequence[Detections]
    threshold: float | None
    seconds_left: float
    now: datetime
