"""What becomes of each detection and each object, at every score threshold at once.

A detection is right or wrong by VOC's rules (see `utils.metrics.voc_map`) at IoU 0.5. Detections
with lower scores change neither that nor its kind, so one matching serves all score thresholds.
The kinds are those of TIDE (Bolya et al. 2020, section 2.2); the first one that applies counts:

- `duplicate`: IoU of at least 0.5 with an object of its class that a better detection has matched;
- `class`: IoU of at least 0.5 with an object of another class;
- `localization`: IoU of at least 0.1 with an object of its class;
- `both`: IoU of at least 0.1 with an object of another class;
- `background`: none of these.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.boxes import area, iou
from utils.metrics.pairs import concatenate, flatten
from utils.metrics.voc_map import match_voc
from utils.records import Detections, Record

KINDS = ("duplicate", "class", "localization", "both", "background", "right", "ignored")
"""Kinds of detections; one that matches a `difficult` object is ignored."""

_MATCHES, _TOUCHES = 0.5, 0.1  # IoU


@dataclass(frozen=True, eq=False)
class Outcomes:
    """N detections and M objects of all images, image by image.

    Attributes:
        class_count: number of classes.
        boxes: float64 `[N, 4]`, xyxy in pixels of the image; the best of an image first.
        image: int64 `[N]`, index of the image.
        label: int64 `[N]`.
        score: float64 `[N]`.
        kind: `[N]`, each one of `KINDS`.
        object: int64 `[N]`, the object that the kind refers to; -1 for `background`.
        object_boxes: float64 `[M, 4]`, xyxy in pixels of the image.
        object_image: int64 `[M]`.
        object_label: int64 `[M]`.
        difficult: bool `[M]`.
        found: float64 `[M]`, score of the detection that matches the object; -inf if none does.
        explained: float64 `[M]`, the highest score of a detection that would match the object with
            another box or with another label alone; -inf if none would. Above that score, an object
            that is not found is missed.
    """

    class_count: int
    boxes: np.ndarray
    image: np.ndarray
    label: np.ndarray
    score: np.ndarray
    kind: np.ndarray
    object: np.ndarray
    object_boxes: np.ndarray
    object_image: np.ndarray
    object_label: np.ndarray
    difficult: np.ndarray
    found: np.ndarray
    explained: np.ndarray

    def missed(self, threshold: float) -> np.ndarray:
        """Whether each object is missed by the detections that score at least `threshold`."""
        return ~self.difficult & ~(np.maximum(self.found, self.explained) >= threshold)

    def wrong(self, threshold: float) -> np.ndarray:
        """Whether each detection scores at least `threshold` and is an error."""
        return (self.score >= threshold) & ~np.isin(self.kind, ("right", "ignored"))

    @property
    def objects(self) -> np.ndarray:
        """int64 `[C]`: objects of each class, without difficult ones."""
        return np.bincount(self.object_label[~self.difficult], minlength=self.class_count)

    @property
    def areas(self) -> np.ndarray:
        """float64 `[N]`: area of the object that each detection refers to; else its own."""
        own = area(self.boxes)
        if not len(self.object_boxes):
            return own
        return np.where(self.object >= 0, area(self.object_boxes)[self.object], own)


def find_outcomes(
    detections: Sequence[Detections], records: Sequence[Record], class_names: Sequence[str]
) -> Outcomes:
    """Match all detections, and find the kind of each.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the classes that the labels index.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    ranked, scores = _ranked(detections)
    matches = match_voc(ranked, records, class_names, _MATCHES)
    count = len(class_names)
    detected, truth = flatten(ranked, count), flatten(records, count)
    first, first_object = (
        np.cumsum([0, *(len(each.labels) for each in images)]) for images in (ranked, records)
    )
    kinds, objects = np.full(len(scores), "ignored", "<U12"), np.full(len(scores), -1)
    for i in np.flatnonzero(np.diff(first)).tolist():
        rows, own = slice(first[i], first[i + 1]), slice(first_object[i], first_object[i + 1])
        kinds[rows], nearest = _kinds(
            detected.boxes[rows], ranked[i].labels, truth.boxes[own], records[i].labels
        )
        objects[rows] = np.where(nearest >= 0, nearest + first_object[i], -1)
    matched = first[matches.images] + (-matches.scores).astype(np.int64)
    is_ignored = np.ones(len(scores), bool)
    is_ignored[matched] = False
    kinds[is_ignored], kinds[matched[matches.is_tp]] = "ignored", "right"
    found, explained = np.full((2, len(truth.keys)), -np.inf)
    right = kinds == "right"
    found[objects[right]] = scores[right]
    explains = np.isin(kinds, ("localization", "class"))
    np.maximum.at(explained, objects[explains], scores[explains])
    image, label = np.divmod(detected.keys, max(1, count))
    object_image, object_label = np.divmod(truth.keys, max(1, count))
    difficult = concatenate([record.difficult for record in records], bool)
    return Outcomes(
        count,
        detected.boxes,
        image,
        label,
        scores,
        kinds,
        objects,
        truth.boxes,
        object_image,
        object_label,
        difficult,
        found,
        explained,
    )


def _ranked(detections: Sequence[Detections]) -> tuple[list[Detections], np.ndarray]:
    """The detections of each image, best first, with their negated rank as the score; the scores.

    Matching depends only on the order within an image, and the rank identifies each detection.
    """
    ranked, scores = [], []
    for each in detections:
        own = np.asarray(each.scores, np.float64)
        order = np.argsort(-own, kind="stable")
        ranked.append(Detections(each.boxes[order], -np.arange(len(order)), each.labels[order]))
        scores.append(own[order])
    return ranked, concatenate(scores, np.float64)


def _kinds(
    boxes: np.ndarray, labels: np.ndarray, objects: np.ndarray, object_labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each detection of an image if it is wrong, and the object it refers to, or -1."""
    if not len(objects):
        return np.full(len(boxes), "background"), np.full(len(boxes), -1)
    overlap = iou(boxes[:, None], objects[None])
    is_same = labels[:, None] == object_labels
    on_same, on_other = np.where(is_same, overlap, 0), np.where(is_same, 0, overlap)
    same, other = on_same.max(axis=1), on_other.max(axis=1)
    is_kind = [same >= _MATCHES, other >= _MATCHES, same >= _TOUCHES, other >= _TOUCHES]
    nearest_same, nearest_other = on_same.argmax(axis=1), on_other.argmax(axis=1)
    return (
        np.select(is_kind, KINDS[:4], "background"),
        np.select(is_kind, [nearest_same, nearest_other] * 2, -1),
    )
