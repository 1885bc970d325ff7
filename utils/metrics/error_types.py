"""What goes wrong: false positives and missed objects by type.

The types are those of TIDE (Bolya et al. 2020, section 2.2), with its "classification and
localization" counted as `class`. A detection is a false positive by VOC's rules (see
`utils.metrics.voc_map`) at IoU 0.5. Its type is the first one that applies:

- `duplicate`: IoU of at least 0.5 with an object of its class that a better detection has matched;
- `class`: IoU of at least 0.5 with an object of another class;
- `localization`: IoU of at least 0.1 with an object of its class;
- `class`: IoU of at least 0.1 with an object of another class;
- `background`: none of these.

An object is `missed` if no detection matches it and no false positive would match it with a better
box (`localization`) or with another label alone (`class`, IoU of at least 0.5): those are counted
already. `difficult` objects are never missed, and a detection that matches one is no error.
"""

from collections.abc import Sequence

import numpy as np

from utils.boxes import iou
from utils.metrics.voc_map import match_voc
from utils.records import Detections, Record

ERROR_TYPES = ("localization", "class", "background", "duplicate", "missed")
_MATCHES, _TOUCHES = 0.5, 0.1  # IoU


def error_types(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    score_threshold: float,
) -> dict[str, int]:
    """Count the errors of all classes by type; arguments and errors as in `errors_by_class`."""
    counts = errors_by_class(detections, records, class_names, score_threshold)
    return {name: int(by_class.sum()) for name, by_class in counts.items()}


def errors_by_class(
    detections: Sequence[Detections],
    records: Sequence[Record],
    class_names: Sequence[str],
    score_threshold: float,
) -> dict[str, np.ndarray]:
    """Count the errors by type and class.

    Args:
        detections: of each record's image, boxes in pixels of that image.
        records: the annotated images, in the same order.
        class_names: names of the C classes that the labels index.
        score_threshold: detections with a lower score are left out.

    Returns:
        For each of `ERROR_TYPES` int64 `[C]`: false positives by their own class, missed objects by
        theirs.

    Raises:
        ValueError: the two sequences differ in length, or a label has no class name.
    """
    ranked = [_ranked(detected, score_threshold) for detected in detections]
    matches = match_voc(ranked, records, class_names, _MATCHES)
    is_tp = [np.zeros(len(detected), bool) for detected in ranked]
    is_fp = [np.zeros(len(detected), bool) for detected in ranked]
    for image, score, is_match in zip(matches.images, matches.scores, matches.is_tp, strict=True):
        (is_tp if is_match else is_fp)[image][int(-score)] = True
    errors = {name: np.zeros(len(class_names), np.int64) for name in ERROR_TYPES}
    for detected, record, tp, fp in zip(ranked, records, is_tp, is_fp, strict=True):
        _add_errors(errors, detected, record, tp, fp)
    return errors


def _ranked(detected: Detections, threshold: float) -> Detections:
    """The detections above the threshold, best first, with their negated rank as the score.

    Matching depends only on the order within an image, and the rank identifies each detection.
    """
    scores = np.asarray(detected.scores, np.float64)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= threshold]
    return Detections(detected.boxes[order], -np.arange(len(order)), detected.labels[order])


def _add_errors(
    errors: dict[str, np.ndarray],
    detected: Detections,
    record: Record,
    is_tp: np.ndarray,
    is_fp: np.ndarray,
) -> None:
    """Add the errors of one image; `is_tp` and `is_fp` are bool `[N]`, for the N detections."""
    overlap = iou(np.reshape(detected.boxes, (-1, 1, 4)), np.reshape(record.boxes, (1, -1, 4)))
    is_same = detected.labels[:, None] == record.labels
    on_same, on_other = np.where(is_same, overlap, 0), np.where(is_same, 0, overlap)
    same, other = on_same.max(axis=1, initial=0), on_other.max(axis=1, initial=0)
    types = np.select(
        [same >= _MATCHES, other >= _MATCHES, same >= _TOUCHES, other >= _TOUCHES],
        ["duplicate", "class", "localization", "class"],
        "background",
    )
    for name in ERROR_TYPES[:-1]:
        np.add.at(errors[name], detected.labels[is_fp & (types == name)], 1)

    accounted = record.difficult.copy()
    if len(accounted):
        accounted[on_same[is_tp | (is_fp & (types == "localization"))].argmax(axis=1)] = True
        relabeled = is_fp & (types == "class") & (other >= _MATCHES)
        accounted[on_other[relabeled].argmax(axis=1)] = True
    np.add.at(errors["missed"], record.labels[~accounted], 1)
