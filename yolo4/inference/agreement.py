"""Whether a fast arithmetic finds the boxes that an exact one finds."""

import numpy as np

from utils.boxes import iou

_LOWEST_SCORE = 0.3
_LEAST_IOU = 0.9
_MOST_SCORE_DIFFERENCE = 0.1
_LEAST_SHARE = 0.99  # a predictor at a kink of the network may go astray

Outputs = tuple[np.ndarray, np.ndarray, np.ndarray]


def agree(found: Outputs, wanted: Outputs) -> bool | None:
    """Whether predictors that score over 0.3 in either give the same class and box, at IoU 0.9.

    Args:
        found: boxes `[B, N, 4]`, confidence `[B, N]` and class scores `[B, N, C]`.
        wanted: the same in exact arithmetic.

    Returns:
        True where 99% of them do; None where no predictor scores so high: that tells nothing.
    """
    scores, exact = (_scores(outputs) for outputs in (found, wanted))
    sure = (exact > _LOWEST_SCORE) | (scores > _LOWEST_SCORE)
    if not sure.any():
        return None
    same_boxes = iou(found[0], wanted[0])[..., None] >= _LEAST_IOU
    same_scores = np.abs(scores - exact) <= _MOST_SCORE_DIFFERENCE
    return bool((same_boxes & same_scores)[sure].mean() >= _LEAST_SHARE)


def _scores(outputs: Outputs) -> np.ndarray:
    _, confidence, class_scores = outputs
    return confidence[..., None] * class_scores
