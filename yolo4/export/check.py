"""Tries an exported model with its own runtime and compares it with Keras."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from utils.boxes import same_objects
from utils.errors import UserError

Outputs = Mapping[str, np.ndarray]

# Largest difference from Keras: of logits relative to the largest one, of boxes in parts of the
# input's longer side, of scores as they are. Half precision keeps 11 bits of each weight. Of int8
# the differences are told only: how much it may lose is said in mAP.
BOUNDS = {"float32": 1e-3, "float16": 2e-2}
_OTHER_LABELS = 0.05  # share of all predictors: of two classes that score alike either may be best
_SAME_IOU = 0.9


@dataclasses.dataclass(frozen=True)
class Difference:
    """How far one output is from Keras's.

    Attributes:
        name: of the output.
        value: the difference, or the share of detections without a counterpart.
        bound: the largest one that is allowed; None: any.
    """

    name: str
    value: float
    bound: float | None

    def __str__(self) -> str:
        bound = "" if self.bound is None else f" (at most {self.bound:g})"
        return f"{self.name} {self.value:.2g}{bound}"


def compare(
    found: Outputs, wanted: Outputs, side: int, precision: str, score_threshold: float = 0.0
) -> list[Difference]:
    """The difference of each output.

    Args:
        found: outputs of the exported model.
        wanted: outputs of Keras for the same images.
        side: the input's longer side in pixels.
        precision: of the exported model.
        score_threshold: lowest score of a detection, where the model suppresses boxes.

    Raises:
        UserError: an output is missing, or of another shape or type.
    """
    for name, value in wanted.items():
        if name not in found:
            raise UserError(f"the exported model has no output {name}, only {', '.join(found)}")
        got = found[name]
        if got.shape != value.shape or got.dtype.kind != value.dtype.kind:
            raise UserError(
                f"the exported model's {name} is {got.dtype} {got.shape}, not {value.dtype} "
                f"{value.shape}"
            )
    bound = BOUNDS.get(precision)
    if "count" in wanted:
        unmatched, total = _unmatched(found, wanted, bound or 0.1, score_threshold)
        name = f"unmatched ones of {total} detections"
        if not total:
            name += ", as nothing is found there (--image names a picture with objects):"
        return [Difference(name, unmatched / max(1, total), 0.0 if bound else None)]
    if "boxes" not in wanted:
        return [
            Difference(name, _largest(found[name], value) / np.abs(value).max(), bound)
            for name, value in wanted.items()
        ]
    return [
        Difference("boxes", _largest(found["boxes"], wanted["boxes"]) / side, bound),
        Difference("scores", _largest(found["scores"], wanted["scores"]), bound),
        Difference("labels", _other_labels(found, wanted), _OTHER_LABELS if bound else None),
    ]


def insist(differences: list[Difference]) -> None:
    """Refuse a model that differs too much.

    Raises:
        UserError: names the outputs.
    """
    # Written so that NaN, which compares as false, is refused too.
    bad = [d for d in differences if d.bound is not None and not d.value <= d.bound]
    if bad:
        raise UserError(f"the exported model differs from Keras: {', '.join(map(str, bad))}")


def _largest(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(np.float64) - wanted).max())


def _other_labels(found: Outputs, wanted: Outputs) -> float:
    return float((found["labels"] != wanted["labels"]).mean())


def _unmatched(
    found: Outputs, wanted: Outputs, tolerance: float, score_threshold: float
) -> tuple[int, int]:
    """How many detections of either side lack one of the same class, place and score; of how many.

    One that scores so little over the threshold that it may be lost on the other side is left out.
    """
    alone = total = 0
    for image in range(len(wanted["count"])):
        ours, theirs = (_detections(outputs, image) for outputs in (wanted, found))
        for some, others in ((ours, theirs), (theirs, ours)):
            boxes, scores, labels = some
            sure = ~(scores <= score_threshold + tolerance)  # NaN is
            boxes, scores, labels = boxes[sure], scores[sure], labels[sure]
            same = same_objects(boxes, labels, others[0], others[2], _SAME_IOU)
            same &= np.abs(scores[:, None] - others[1][None]) <= tolerance
            total += len(boxes)
            alone += int((~same.any(axis=1)).sum())
    return alone, total


def _detections(outputs: Outputs, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = int(outputs["count"][image])
    boxes, scores, labels = (outputs[name][image, :count] for name in ("boxes", "scores", "labels"))
    return boxes, scores, labels
