"""Selects the detections in an image from the decoded output of a network."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from utils.errors import UserError
from utils.records import Detections

if TYPE_CHECKING:
    from utils.letterbox import Letterbox

# NMS compares pairs of boxes: more candidates cost time, and none of them would be kept.
_MAX_CANDIDATES = 4096


@dataclass(frozen=True)
class PostprocessSettings:
    """How detections are selected.

    Attributes:
        score_threshold: lowest score of a detection, confidence times class score.
        nms_threshold: a box is suppressed if it overlaps a better one of its class by more.
        nms: how the overlap is measured, see `utils.boxes.nms`.
        max_detections: most detections per image.

    Raises:
        UserError: a threshold is outside 0..1, or `max_detections` is below 1.
    """

    score_threshold: float
    nms_threshold: float
    nms: Literal["iou", "diou"]
    max_detections: int

    def __post_init__(self) -> None:
        for name in ("score_threshold", "nms_threshold"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UserError(f"{name} is {value}; it must be 0 to 1")
        if self.max_detections < 1:
            raise UserError(f"max_detections is {self.max_detections}; it must be at least 1")


PREDICTION = PostprocessSettings(
    score_threshold=0.3, nms_threshold=0.45, nms="iou", max_detections=300
)
"""Detections that are worth showing to a person."""

EVALUATION = PostprocessSettings(
    score_threshold=0.001, nms_threshold=0.45, nms="iou", max_detections=300
)
"""Detections down to a score of almost 0, over which average precision is measured."""


def select_detections(
    boxes: np.ndarray,
    confidence: np.ndarray,
    class_scores: np.ndarray,
    letterbox: "Letterbox",
    settings: PostprocessSettings,
) -> Detections:
    """Select the detections of one image from the predictions of all predictors.

    Args:
        boxes: `[N, 4]`, xyxy in input pixels.
        confidence: `[N]`.
        class_scores: `[N, C]`.
        letterbox: how the source lies in the input.
        settings: thresholds.

    Returns:
        Boxes in pixels of the source and clipped to it, best score first.
    """
    from utils.boxes import nms  # OpenCV, which a command's `--help` does not need

    # A class score is at most 1, so no other predictor can reach the threshold below.
    likely = np.flatnonzero(confidence >= settings.score_threshold)
    scores = confidence[likely, None] * class_scores[likely]
    row, label = np.nonzero(scores >= settings.score_threshold)
    best = np.argsort(-scores[row, label], kind="stable")[:_MAX_CANDIDATES]
    row, label = row[best], label[best]
    finite = np.isfinite(boxes[likely[row]]).all(axis=1)
    row, label = row[finite], label[finite]
    candidates, score = boxes[likely[row]], scores[row, label]
    visible = letterbox.invert(candidates)
    has_area = np.all(visible[:, 2:] > visible[:, :2], axis=1)
    # Before the boxes are clipped, as Darknet and a model exported with NMS suppress. A box in the
    # padding may suppress others, but does not count as a detection.
    most = settings.max_detections + int(np.count_nonzero(~has_area))
    kept = nms(candidates, score, label, settings.nms_threshold, most, settings.nms)
    kept = kept[has_area[kept]][: settings.max_detections]
    return Detections(visible[kept], score[kept].astype(np.float32), label[kept].astype(np.int32))


@dataclass(frozen=True, eq=False)
class Prediction:
    """The decoded output of a network for one image, before detections are selected.

    Attributes:
        boxes: `[N, 4]`, xyxy in input pixels.
        confidence: `[N]`.
        class_scores: `[N, C]`.
        letterbox: how the image lies in the input.
    """

    boxes: np.ndarray
    confidence: np.ndarray
    class_scores: np.ndarray
    letterbox: "Letterbox"

    def select(self, settings: PostprocessSettings) -> Detections:
        """The detections, boxes in pixels of the image, best score first."""
        outputs = (self.boxes, self.confidence, self.class_scores)
        return select_detections(*outputs, self.letterbox, settings)
