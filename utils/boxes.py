"""Overlap of boxes, in NumPy."""

import numpy as np


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union, 0 for two boxes without area.

    Args:
        boxes: `[..., 4]`, xyxy.
        others: `[..., 4]`, xyxy; the two broadcast against each other.

    Returns:
        float64 `[...]`.
    """
    boxes, others = np.asarray(boxes, np.float64), np.asarray(others, np.float64)
    sides = np.minimum(boxes[..., 2:], others[..., 2:]) - np.maximum(
        boxes[..., :2], others[..., :2]
    )
    intersection = np.clip(sides, 0.0, None).prod(axis=-1)
    areas = [(b[..., 2:] - b[..., :2]).prod(axis=-1) for b in (boxes, others)]
    union = areas[0] + areas[1] - intersection
    return np.divide(intersection, union, out=np.zeros_like(intersection), where=union > 0)


def same_objects(
    boxes: np.ndarray,
    labels: np.ndarray,
    others: np.ndarray,
    other_labels: np.ndarray,
    least_iou: float,
) -> np.ndarray:
    """Which boxes have the class and, by their overlap, the place of which others.

    Args:
        boxes: `[N, 4]`, xyxy.
        labels: `[N]`.
        others: `[M, 4]`, xyxy.
        other_labels: `[M]`.
        least_iou: overlap of boxes in the same place.

    Returns:
        bool `[N, M]`.
    """
    overlaps = iou(boxes[:, None], others[None])
    return (overlaps >= least_iou) & (labels[:, None] == other_labels[None])
