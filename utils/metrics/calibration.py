"""Do the scores of detections mean what they say, and which of them are worth keeping?"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from utils.files.reading import read_json, reading
from utils.files.writing import write_atomically
from utils.metrics.score_curve import ScoreCurve
from utils.metrics.voc_map import VocMatches, match_voc
from utils.records import Detections, Record

# Scores nearer to 0 and 1 count as this near: their logits stay finite.
_NEAREST = 1e-7
_HIGHEST_TEMPERATURE = 100.0
_HALVINGS = 40


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
    temperature: float = 1.0,
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
        temperature: the logits of the scores are divided by it.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    matches = match_voc(detections, records, class_names, iou_threshold)
    edges = np.linspace(0, 1, bins + 1)
    scores, bin_of = _binned(matches.scores, edges, temperature)
    counts = np.bincount(bin_of, minlength=bins)
    score_sums = np.bincount(bin_of, scores, bins)
    true_positives = np.bincount(bin_of, matches.is_tp, bins)
    empty = np.full(bins, np.nan)
    confidence, precision = (
        np.divide(sums, counts, out=empty.copy(), where=counts > 0)
        for sums in (score_sums, true_positives)
    )
    distances = np.abs(true_positives - score_sums).sum()
    ece = float(distances / counts.sum()) if counts.sum() else float("nan")
    return CalibrationCurve(edges, confidence, precision, counts, ece)


def _binned(
    scores: np.ndarray, edges: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """The scores after the temperature, and the bin of each."""
    if temperature != 1:
        scores = _sigmoid(_logits(scores) / temperature)
    return scores, np.searchsorted(edges[1:-1], scores, side="right")


def weighted_ece(
    matches: VocMatches, weights: np.ndarray, temperature: float = 1.0, bins: int = 10
) -> np.ndarray:
    """The expected calibration error with weighted images; see `calibration_curve`.

    Args:
        matches: matched detections of one run.
        weights: `[images, R]`, not negative; a column of ones gives the unweighted error.
        temperature: the logits of the scores are divided by it.
        bins: number of bins of equal width.

    Returns:
        float64 `[R]`; NaN without detections.
    """
    scores, bin_of = _binned(matches.scores, np.linspace(0, 1, bins + 1), temperature)
    shape = (bins, len(weights))
    cells = np.ravel_multi_index((bin_of, matches.images), shape)
    excess = np.bincount(cells, matches.is_tp - scores, minlength=bins * len(weights))
    distances = np.abs(excess.reshape(shape) @ weights).sum(axis=0)
    counts = np.bincount(matches.images, minlength=len(weights)) @ weights
    return np.divide(distances, counts, out=np.full(counts.shape, np.nan), where=counts > 0)


@dataclass(frozen=True)
class ScoreChoice:
    """What validation images choose for the scores of a network, to be used on other images.

    Attributes:
        threshold: the score with the highest F1; None if no detection is a true positive.
        temperature: with the logits of the scores divided by it, they say best how often they are
            correct; None without detections.
    """

    threshold: float | None
    temperature: float | None

    @classmethod
    def of(cls, curve: ScoreCurve) -> "ScoreChoice":
        """Choose by the curve of all classes' detections in validation images."""
        threshold = curve.best_f1().threshold
        temperature = fit_temperature(curve) if len(curve.scores) else None
        return cls(None if math.isnan(threshold) else threshold, temperature)

    def save(self, path: Path) -> None:
        """Write as JSON, atomically."""
        write_atomically(path, json.dumps(asdict(self), allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "ScoreChoice":
        """Read what `save` has written.

        Raises:
            UserError: the file is missing or holds something else.
        """
        stored = read_json(path)
        with reading(path, "an object with a threshold and a temperature"):
            values = (stored["threshold"], stored["temperature"])
            return cls(*(None if value is None else float(value) for value in values))


def fit_temperature(curve: ScoreCurve) -> float:
    """The temperature with the highest likelihood (Guo et al. 2017, section 4.2).

    Args:
        curve: of detections in validation images, at least one.

    Returns:
        The logits of the scores are to be divided by it; from 0.01 to 100. Below 1, the scores were
        underconfident.
    """
    logits = _logits(curve.scores)
    low, high = -math.log(_HIGHEST_TEMPERATURE), math.log(_HIGHEST_TEMPERATURE)
    # The negative log-likelihood is convex in the inverse temperature: its derivative has one zero.
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        derivative = float(((_sigmoid(math.exp(middle) * logits) - curve.is_tp) * logits).sum())
        low, high = (middle, high) if derivative < 0 else (low, middle)
    return math.exp(-(low + high) / 2)


def _logits(scores: np.ndarray) -> np.ndarray:
    scores = np.clip(np.asarray(scores, np.float64), _NEAREST, 1 - _NEAREST)
    return np.log(scores / (1 - scores))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 + 0.5 * np.tanh(logits / 2)
