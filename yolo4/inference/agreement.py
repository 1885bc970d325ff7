"""Whether a network in reduced precision finds the boxes that it finds in float32."""

from collections.abc import Callable

import numpy as np

from utils.boxes import iou

_MIN_SCORE = 0.3
_MIN_IOU = 0.9
_MAX_SCORE_DIFFERENCE = 0.1
_MIN_SHARE = 0.99  # a small error can grow where the network's function has a kink

Outputs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Boxes `[B, N, 4]`, confidence `[B, N]` and class scores `[B, N, C]`."""

Infer = Callable[[np.ndarray], Outputs]
"""From images, uint8 `[B, H, W, 3]` RGB, to a network's outputs."""


def agree(outputs: Outputs, float32_outputs: Outputs) -> bool | None:
    """Whether predictors that score above 0.3 in either precision have the same class and box.

    Two boxes are the same if their IoU is at least 0.9 and their scores differ by at most 0.1.

    Args:
        outputs: of the network in reduced precision.
        float32_outputs: of the network in float32, for the same images.

    Returns:
        True if 99% of these predictors agree; None, undecided, if no predictor scores above 0.3.
    """
    scores, float32_scores = _scores(outputs), _scores(float32_outputs)
    compared = (float32_scores > _MIN_SCORE) | (scores > _MIN_SCORE)
    if not compared.any():
        return None
    same_boxes = iou(outputs[0], float32_outputs[0])[..., None] >= _MIN_IOU
    same_scores = np.abs(scores - float32_scores) <= _MAX_SCORE_DIFFERENCE
    return bool((same_boxes & same_scores)[compared].mean() >= _MIN_SHARE)


def _scores(outputs: Outputs) -> np.ndarray:
    _, confidence, class_scores = outputs
    return confidence[..., None] * class_scores
