"""What goes wrong: false positives and missed objects by type.

The types are the kinds of `utils.metrics.errors.outcomes`, with `both` counted as `class`.

An object is `missed` if no detection matches it and no false positive would match it with a better
box (`localization`) or with another label alone (`class`, IoU of at least 0.5): those are counted
already. `difficult` objects are never missed, and a detection that matches one is no error.
"""

from collections.abc import Sequence

import numpy as np

from utils.metrics.errors.outcomes import find_outcomes
from utils.records import Detections, Record

ERROR_TYPES = ("localization", "class", "background", "duplicate", "missed")


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
    outcomes = find_outcomes(detections, records, class_names)
    kinds = np.where(outcomes.kind == "both", "class", outcomes.kind)
    counted = outcomes.score >= score_threshold
    labels = {name: outcomes.label[counted & (kinds == name)] for name in ERROR_TYPES[:-1]}
    labels["missed"] = outcomes.object_label[outcomes.missed(score_threshold)]
    count = len(class_names)
    return {name: np.bincount(of_type, minlength=count) for name, of_type in labels.items()}
