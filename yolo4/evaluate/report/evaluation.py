"""What a report is about."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.metrics.summary import Metrics
from utils.records import Detections, Record


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A detector's detections in annotated images, and what was measured.

    Attributes:
        name: of the detector: a run's folder, or a folder of text files.
        where: the data, in words.
        caveat: what these images have chosen and what the detector may know of them, as the second
            half of a sentence.
        records: the annotated images.
        detections: in each of them.
        class_names: names that the labels index.
        metrics: what was measured.
        has_images: whether `records` names image files.
    """

    name: str
    where: str
    caveat: str
    records: Sequence[Record]
    detections: Sequence[Detections]
    class_names: Sequence[str]
    metrics: Metrics
    has_images: bool
