"""Non-maximum suppression, class by class: of boxes that overlap, the best-scored one stays."""

from typing import Literal

import cv2
import numpy as np


def nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    iou_threshold: float,
    max_detections: int,
    method: Literal["iou", "diou"] = "iou",
) -> np.ndarray:
    """Choose the boxes to keep; boxes of different classes never suppress one another.

    Args:
        boxes: `[N, 4]`, xyxy, finite; any unit.
        scores: `[N]`, higher is better.
        labels: `[N]`, class indices.
        iou_threshold: a box goes when its overlap with a kept box of its class is above this.
        max_detections: at most so many boxes are kept, over all classes together.
        method: `"iou"`, or `"diou"`, which subtracts from the IoU the distance of the centers
            (Zheng et al. 2020), so that neighbors behind one another survive more often.

    Returns:
        int64 indices into `boxes`, best score first; equal scores in the order given.

    Raises:
        ValueError: when `method` is neither of the two.
    """
    if method not in ("iou", "diou"):
        raise ValueError(f"nms method {method!r} is unknown: use 'iou' or 'diou'")
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    labels = np.asarray(labels, np.int32)
    if len(boxes) == 0:
        return np.zeros(0, np.int64)
    if method == "diou":
        return _diou_nms(boxes, scores, labels, iou_threshold, max_detections)
    # OpenCV moves each class aside by the largest coordinate, so that classes stay apart only
    # when no coordinate is negative.
    corners = boxes[:, :2] - boxes[:, :2].min(axis=0)
    boxes_xywh = np.concatenate([corners, boxes[:, 2:] - boxes[:, :2]], axis=1)
    # OpenCV keeps scores above its score threshold only; the caller has chosen already.
    below_all = float(np.min(scores)) - 1.0
    scores = np.asarray(scores, np.float32)
    # Whether a box stays depends on better ones alone, so that the best few candidates often do.
    candidates = 2 * max_detections
    while True:
        keep = cv2.dnn.NMSBoxesBatched(
            boxes_xywh, scores, labels, below_all, iou_threshold, top_k=candidates
        )
        if len(keep) >= max_detections or candidates >= len(boxes):
            return np.asarray(keep, np.int64)[:max_detections]
        candidates *= 2


def _diou_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    threshold: float,
    max_detections: int,
) -> np.ndarray:
    """Greedy suppression by DIoU; arguments and result as in `nms`."""
    candidates = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    keep = []
    while len(candidates) and len(keep) < max_detections:
        best, candidates = candidates[0], candidates[1:]
        keep.append(best)
        survives = labels[candidates] != labels[best]
        survives |= distance_iou(boxes[best], boxes[candidates]) <= threshold
        candidates = candidates[survives]
    return np.asarray(keep, np.int64)


def distance_iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """IoU less the squared distance of the centers over that of the enclosing box's corners.

    Args:
        box: `[4]`, xyxy.
        others: `[N, 4]`, xyxy.

    Returns:
        `[N]` in -1..1.
    """
    overlap = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.clip(overlap, 0.0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1)
    union = union - intersection
    enclosing = np.maximum(box[2:], others[:, 2:]) - np.minimum(box[:2], others[:, :2])
    apart = ((box[:2] + box[2:] - others[:, :2] - others[:, 2:]) / 2.0) ** 2
    iou = intersection / np.maximum(union, np.finfo(np.float64).tiny)
    diagonal = (enclosing**2).sum(axis=1)
    return iou - apart.sum(axis=1) / np.maximum(diagonal, np.finfo(np.float64).tiny)
