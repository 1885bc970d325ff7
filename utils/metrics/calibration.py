"""Do the scores of detections mean what they say?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.metrics.voc_map import match_voc
from utils.records import Detections, Record


@dataclass(frozen=True, eq=False)
class Reliability:
    """A reliability diagram: what detections promise, and what they keep, by score.

    Attributes:
        edges: float64 `[bins + 1]`, from 0 to 1. A score on an edge is in the bin above, 1 in the
            last.
        confidence: float64 `[bins]`, mean score of each bin; nan for an empty one.
        precision: float64 `[bins]`, share of each bin that is right; nan for an empty one.
        counts: int64 `[bins]`, detections.
        ece: expected calibration error, the mean over all detections of the distance between the
            precision and the mean score of their bin; nan without detections.
    """

    edges: np.ndarray
    confidence: np.ndarray
    precision: np.ndarray
    counts: np.ndarray
    ece: float


def reliability(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    bins: int = 10,
    iou_threshold: float = 0.5,
) -> Reliability:
    """Compare scores with how often they are right (Guo et al. 2017, section 2).

    A detection is right if it is a true positive by VOC's rules (see `utils.metrics.voc_map`): it
    has the object's class and at least this IoU with it, and no better detection has found it.
    Matches of `difficult` objects are neither right nor wrong and are left out. Objects that are
    not found play no part.

    Args:
        detections: what was found in each record's image, boxes in pixels of that image. Low scores
            are the most of them and dominate the error: say which were kept when you quote it.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.
        bins: of equal width.
        iou_threshold: fraction in (0, 1].

    Raises:
        ValueError: when the two sequences differ in length or a label has no class name.
    """
    matches = match_voc(detections, records, class_names, iou_threshold)
    edges = np.linspace(0, 1, bins + 1)
    place = np.searchsorted(edges[1:-1], matches.scores, side="right")
    counts = np.bincount(place, minlength=bins)
    promised = np.bincount(place, matches.scores, bins)
    kept = np.bincount(place, matches.is_tp, bins)
    nothing = np.full(bins, np.nan)
    confidence, precision = (
        np.divide(total, counts, out=nothing.copy(), where=counts > 0) for total in (promised, kept)
    )
    ece = float(np.abs(kept - promised).sum() / counts.sum()) if counts.sum() else float("nan")
    return Reliability(edges, confidence, precision, counts, ece)
