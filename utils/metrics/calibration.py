"""Do the scores of detections mean what they say?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.metrics.voc_map import match_voc
from utils.records import Detections, Record


@dataclass(frozen=True, eq=False)
class CalibrationCurve:
    """Scores of detections and the precision behind them, in bins of the score.

    Attributes:
        edges: float64 `[bins + 1]`, from 0 to 1. A score on an edge is in the bin above, 1 in the
            last.
        confidence: float64 `[bins]`, mean score of each bin; NaN for an empty one.
        precision: float64 `[bins]`, share of true positives in each bin; NaN for an empty one.
        counts: int64 `[bins]`, number of detections.
        ece: expected calibration error, the mean over all detections of the distance between the
            precision and the mean score of their bin; NaN without detections.
    """

    edges: np.ndarray
    confidence: np.ndarray
    precision: np.ndarray
    counts: np.ndarray
    ece: float


def calibration_curve(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    bins: int = 10,
    iou_threshold: float = 0.5,
) -> CalibrationCurve:
    """Compare scores with how often they are correct (Guo et al. 2017, section 2).

    True positives are those of VOC's rules (see `utils.metrics.voc_map`): detections with the
    class of an object and at least this IoU with it that no better detection has matched.
    Detections of `difficult` objects are left out. Objects that are not detected play no part.

    Args:
        detections: of each record's image, boxes in pixels of that image. Most detections have low
            scores and dominate the error: state the score threshold when you quote it.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.
        bins: number of bins of equal width.
        iou_threshold: fraction in (0, 1].

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    matches = match_voc(detections, records, class_names, iou_threshold)
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.searchsorted(edges[1:-1], matches.scores, side="right")
    counts = np.bincount(bin_of, minlength=bins)
    score_sums = np.bincount(bin_of, matches.scores, bins)
    true_positives = np.bincount(bin_of, matches.is_tp, bins)
    empty = np.full(bins, np.nan)
    confidence, precision = (
        np.divide(sums, counts, out=empty.copy(), where=counts > 0)
        for sums in (score_sums, true_positives)
    )
    distances = np.abs(true_positives - score_sums).sum()
    ece = float(distances / counts.sum()) if counts.sum() else float("nan")
    return CalibrationCurve(edges, confidence, precision, counts, ece)
