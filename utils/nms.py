"""Non-maximum suppression, class by class: of boxes that overlap, the one with the best score."""

from typing import Literal

import cv2
import numpy as np

from utils.boxes import distance_iou


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    nms_threshold: float,
    max_detections: int,
    method: Literal["iou", "diou"] = "iou",
) -> np.ndarray:
    """Choose the boxes to keep; boxes of different classes never suppress one another.

    Args:
        boxes: `[N, 4]`, xyxy, finite; any unit.
        scores: `[N]`, higher is better.
        labels: `[N]`, class indices.
        nms_threshold: a box is suppressed if its overlap with a kept box of its class exceeds this.
        max_detections: most boxes that are kept, over all classes together.
        method: how overlap is measured: `"iou"`, or `"diou"` (Zheng et al. 2020), which subtracts
            the distance of the centers, so that more neighbors behind one another are kept.

    Returns:
        int64 indices into `boxes`, best score first; equal scores in the order given.

    Raises:
        ValueError: `method` is neither of the two.
    """
    if method not in ("iou", "diou"):
        raise ValueError(f"nms method {method!r} is unknown: use 'iou' or 'diou'")
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    labels = np.asarray(labels, np.int32)
    if len(boxes) == 0:
        return np.zeros(0, np.int64)
    if method == "diou":
        return _diou_nms(boxes, scores, labels, nms_threshold, max_detections)
    # OpenCV separates the classes by adding a multiple of the largest coordinate, which fails if a
    # coordinate is negative.
    corners = boxes[:, :2] - boxes[:, :2].min(axis=0)
    boxes_xywh = np.concatenate([corners, boxes[:, 2:] - boxes[:, :2]], axis=1)
    # OpenCV drops scores up to its score threshold; the caller has applied one already.
    below_all = float(np.min(scores)) - 1.0
    scores = np.asarray(scores, np.float32)
    # Only better boxes can suppress a box, so the best few candidates are often enough.
    candidates = 2 * max_detections
    while True:
        keep = cv2.dnn.NMSBoxesBatched(
            boxes_xywh, scores, labels, below_all, nms_threshold, top_k=candidates
        )
        if len(keep) >= max_detections or candidates >= len(boxes):
            return np.asarray(keep, np.int64)[:max_detections]
        candidates *= 2


def _diou_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    nms_threshold: float,
    max_detections: int,
) -> np.ndarray:
    """Greedy suppression by DIoU; arguments and result as in `nms`."""
    candidates = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    keep = []
    while len(candidates) and len(keep) < max_detections:
        best, candidates = candidates[0], candidates[1:]
        keep.append(best)
        survives = labels[candidates] != labels[best]
        survives |= distance_iou(boxes[best], boxes[candidates]) <= nms_threshold
        candidates = candidates[survives]
    return np.asarray(keep, np.int64)
