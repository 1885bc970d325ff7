"""Arithmetic of boxes in NumPy: areas, overlaps, and non-maximum suppression.

A box is xyxy. The tensors' counterpart is `nets.boxes`.
"""

from typing import Any, Literal

import cv2
import numpy as np


def area(boxes: np.ndarray) -> np.ndarray:
    """Areas `[...]` of boxes `[..., 4]`."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(axis=-1)


def iou(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray | None = None) -> np.ndarray:
    """Intersection over union, 0 for two boxes without area.

    Args:
        boxes: `[..., 4]`.
        others: `[..., 4]`; the two broadcast against each other.
        crowd: bool `[...]`, whether the other box is a crowd of objects: then the intersection is
            divided by the area of the box alone, as COCO does.

    Returns:
        float64 `[...]` in 0..1.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(
        boxes[..., :2], others[..., :2]
    )
    intersection = np.clip(sides, 0.0, None).prod(axis=-1)
    box_area = area(boxes)
    union = box_area + area(others) - intersection
    if crowd is not None:
        union = np.where(crowd, box_area, union)
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def distance_iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """DIoU (Zheng et al. 2020): IoU minus the squared, relative distance of the centers.

    The distance is relative to the diagonal of the enclosing box.

    Args:
        boxes: `[..., 4]`.
        others: `[..., 4]`; the two broadcast against each other.

    Returns:
        float64 `[...]` in -1..1.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    enclosing = np.maximum(boxes[..., 2:], others[..., 2:]) - np.minimum(
        boxes[..., :2], others[..., :2]
    )
    offset = (boxes[..., :2] + boxes[..., 2:] - others[..., :2] - others[..., 2:]) / 2.0
    diagonal = np.maximum((enclosing**2).sum(axis=-1), np.finfo(np.float64).tiny)
    return iou(boxes, others) - (offset**2).sum(axis=-1) / diagonal


def shape_iou(sizes_wh: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """IoU of shapes that share a corner, every size with every anchor.

    Args:
        sizes_wh: `[N, 2]`, width and height.
        anchors: `[K, 2]`, width and height.

    Returns:
        `[N, K]` in 0..1.
    """
    (width, height), (anchor_width, anchor_height) = sizes_wh.T.copy(), anchors.T[..., None]
    # A row per anchor: NumPy is several times faster along many boxes than along few anchors.
    intersection = np.minimum(width, anchor_width) * np.minimum(height, anchor_height)
    areas = width * height + anchor_width * anchor_height
    return (intersection / (areas - intersection)).T


def same_objects(
    boxes: np.ndarray,
    labels: np.ndarray,
    others: np.ndarray,
    other_labels: np.ndarray,
    min_iou: float,
) -> np.ndarray:
    """Which pairs of boxes have the same class and overlap enough to be of the same object.

    Args:
        boxes: `[N, 4]`.
        labels: `[N]`.
        others: `[M, 4]`.
        other_labels: `[M]`.
        min_iou: lowest IoU of two boxes of the same object.

    Returns:
        bool `[N, M]`.
    """
    overlaps = iou(boxes[:, None], others[None])
    return (overlaps >= min_iou) & (labels[:, None] == other_labels[None])


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
    # OpenCV's type hints ask for sequences of tuples and numbers; it takes arrays.
    boxes_xywh: Any = np.concatenate([corners, boxes[:, 2:] - boxes[:, :2]], axis=1)
    opencv_labels: Any = labels
    # OpenCV drops scores up to its score threshold; the caller has applied one already.
    below_all = float(np.min(scores)) - 1.0
    opencv_scores: Any = np.asarray(scores, np.float32)
    # Only better boxes can suppress a box, so the best few candidates are often enough.
    candidates = 2 * max_detections
    while True:
        keep = cv2.dnn.NMSBoxesBatched(
            boxes_xywh, opencv_scores, opencv_labels, below_all, nms_threshold, top_k=candidates
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
