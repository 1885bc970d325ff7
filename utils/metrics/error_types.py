"""What goes wrong: false positives and missed objects by kind.

The kinds are those of TIDE (Bolya et al. 2020, section 2.2), where its "classification and
localization" counts as `class`. A detection is wrong by VOC's rules (see `utils.metrics.voc_map`)
at IoU 0.5. Of the kinds that fit a wrong detection it gets the first of:

- `duplicate`: IoU of at least 0.5 with an object of its class, which a better one has found;
- `class`: IoU of at least 0.5 with an object of another class;
- `localization`: IoU of at least 0.1 with an object of its class;
- `class`: IoU of at least 0.1 with an object of another class;
- `background`: it is on nothing.

An object is `missed` when no detection finds it and no wrong one would by a better box
(`localization`) or by another label alone (`class`, IoU of at least 0.5): those are counted as such
already. `difficult` objects are never missed, and a detection that fits one is not wrong.
"""

from collections.abc import Sequence

import numpy as np

from utils.boxes import iou
from utils.metrics.voc_map import match_voc
from utils.records import Detections, Record

KINDS = ("localization", "class", "background", "duplicate", "missed")
_FITS, _TOUCHES = 0.5, 0.1


def error_types(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    score_threshold: float,
) -> dict[str, int]:
    """Count the errors of all classes by kind; arguments and errors as `errors_by_class`."""
    counts = errors_by_class(detections, records, class_names, score_threshold)
    return {kind: int(numbers.sum()) for kind, numbers in counts.items()}


def errors_by_class(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    score_threshold: float,
) -> dict[str, np.ndarray]:
    """Count the errors by kind and class.

    Args:
        detections: what was found in each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the C classes that the labels index.
        score_threshold: detections that score at least this are looked at.

    Returns:
        For each of `KINDS` int64 `[C]`: wrong detections by their own class, missed objects by
        theirs.

    Raises:
        ValueError: when the two sequences differ in length or a label has no class name.
    """
    ranked = [_ranked(found, score_threshold) for found in detections]
    matches = match_voc(ranked, records, class_names, _FITS)
    is_tp = [np.zeros(len(found), bool) for found in ranked]
    counts = [np.zeros(len(found), bool) for found in ranked]
    for image, score, right in zip(matches.images, matches.scores, matches.is_tp, strict=True):
        is_tp[image][int(-score)] = right
        counts[image][int(-score)] = True
    errors = {kind: np.zeros(len(class_names), np.int64) for kind in KINDS}
    for found, record, right, counted in zip(ranked, records, is_tp, counts, strict=True):
        _add_errors(errors, found, record, right, counted & ~right)
    return errors


def _ranked(found: Detections, threshold: float) -> Detections:
    """The detections to look at, best first, with their place, negated, in place of the score.

    Only the order within an image matters to the matching, and this names each detection.
    """
    scores = np.asarray(found.scores, np.float64)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= threshold]
    return Detections(found.boxes[order], -np.arange(len(order)), found.labels[order])


def _add_errors(
    errors: dict[str, np.ndarray],
    found: Detections,
    record: Record,
    right: np.ndarray,
    wrong: np.ndarray,
) -> None:
    """Add those of one image; `right` and `wrong` are bool, one for each detection."""
    overlap = iou(np.reshape(found.boxes, (-1, 1, 4)), np.reshape(record.boxes, (1, -1, 4)))
    is_same = found.labels[:, None] == record.labels
    on_same, on_other = np.where(is_same, overlap, 0), np.where(is_same, 0, overlap)
    same, other = on_same.max(axis=1, initial=0), on_other.max(axis=1, initial=0)
    kinds = np.select(
        [same >= _FITS, other >= _FITS, same >= _TOUCHES, other >= _TOUCHES],
        ["duplicate", "class", "localization", "class"],
        "background",
    )
    for kind in KINDS[:-1]:
        np.add.at(errors[kind], found.labels[wrong & (kinds == kind)], 1)

    accounted = record.difficult.copy()
    if len(accounted):
        accounted[on_same[right | (wrong & (kinds == "localization"))].argmax(axis=1)] = True
        relabeled = wrong & (kinds == "class") & (other >= _FITS)
        accounted[on_other[relabeled].argmax(axis=1)] = True
    np.add.at(errors["missed"], record.labels[~accounted], 1)
