"""Warnings about data that can be read but trains or measures badly."""

from collections.abc import Mapping, Sequence

import numpy as np

from utils.annotations.check import CheckedEntry
from utils.records import Record, count_boxes

_SHOWN = 5


def warnings_of(
    class_names: Sequence[str],
    splits: Mapping[str, Sequence[Record]],
    checked: Mapping[str, Sequence[CheckedEntry]],
) -> list[str]:
    """Sentences on classes that cannot be learned, and on images that have lost their objects.

    Args:
        class_names: all classes.
        splits: the records of each split.
        checked: the entries that the records were made of, in the same order.
    """
    warnings = []
    if "train" in splits:
        boxes = {split: count_boxes(records, len(class_names)) for split, records in splits.items()}
        untrained = boxes["train"] == 0
        for split in ("val", "test"):
            only = untrained & (boxes.get(split, 0) > 0)
            if only.any():
                warnings.append(
                    f"classes with boxes in {split} and none in train, which cannot be learned: "
                    f"{shorten(_names(class_names, only))}"
                )
        unused = untrained & (sum(boxes.values()) == 0)
        if unused.any():
            warnings.append(f"classes without a box: {shorten(_names(class_names, unused))}")
    for split, records in splits.items():
        emptied = sum(map(_is_emptied, records, checked[split]))
        if emptied:
            effect = "are trained as background" if split == "train" else "count as wrong if found"
            warnings.append(
                f"images of {split} without objects because all of theirs were skipped: {emptied} "
                f"of {len(records)}; these objects {effect}"
            )
    return warnings


def shorten(words: Sequence[object]) -> str:
    """The first few words, and how many more there are."""
    shown = ", ".join(map(str, words[:_SHOWN]))
    return f"{shown} and {len(words) - _SHOWN} more" if len(words) > _SHOWN else shown


def _names(class_names: Sequence[str], chosen: np.ndarray) -> list[str]:
    return [name for name, is_chosen in zip(class_names, chosen, strict=True) if is_chosen]


def _is_emptied(record: Record, item: CheckedEntry) -> bool:
    """Whether an image had objects, and has none now; make_record skips those of unknown class."""
    had_objects = bool(item.objects) or any(f.problem.skips_object for f in item.findings)
    return had_objects and not len(record.labels)
