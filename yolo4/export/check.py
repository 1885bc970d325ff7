"""Compares the outputs of an exported model with those of Keras."""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from utils.boxes import same_objects
from utils.errors import UserError

Outputs = Mapping[str, np.ndarray]

# Largest differences from Keras: of logits relative to the largest logit, of boxes relative to the
# input's longer side, of scores as they are. Half precision keeps 11 bits of each weight. For int8
# the differences are only reported: its limit is a loss of mAP.
MAX_DIFFERENCE = {"float32": 1e-3, "float16": 2e-2}
_MAX_OTHER_LABELS = 0.05  # share of predictors: if two classes score alike, either may be the best
_MIN_IOU = 0.9


class CheckImage(NamedTuple):
    """The image that an exported model is tried on.

    Attributes:
        pixels: uint8 `[H, W, 3]` RGB of the input size.
        name: for the log.
    """

    pixels: np.ndarray
    name: str


@dataclasses.dataclass(frozen=True)
class Difference:
    """The difference of one output from Keras.

    Attributes:
        name: what was compared.
        value: the difference, or the share of detections without a counterpart.
        limit: the largest one that is allowed; None: any.
    """

    name: str
    value: float
    limit: float | None

    def __str__(self) -> str:
        limit = "" if self.limit is None else f" (at most {self.limit:g})"
        return f"{self.name} {self.value:.2g}{limit}"


def compare(
    outputs: Outputs,
    expected: Outputs,
    longer_side: int,
    precision: str,
    score_threshold: float = 0.0,
) -> list[Difference]:
    """The difference of each output.

    Args:
        outputs: of the exported model.
        expected: the outputs of Keras for the same images.
        longer_side: of the input in pixels.
        precision: of the exported model.
        score_threshold: lowest score of a detection, if the model contains NMS.

    Raises:
        UserError: an output is missing, or has another shape or type.
    """
    _check_shapes(outputs, expected)
    limit = MAX_DIFFERENCE.get(precision)
    if "count" in expected:
        unmatched, total = _count_unmatched(outputs, expected, limit or 0.1, score_threshold)
        name = f"unmatched of {total} detections"
        if not total:
            name += ", as the image has none (--image names one with objects):"
        return [Difference(name, unmatched / max(1, total), 0.0 if limit else None)]
    if "boxes" not in expected:
        return [
            Difference(name, _largest(outputs[name], logits) / np.abs(logits).max(), limit)
            for name, logits in expected.items()
        ]
    other_labels = float((outputs["labels"] != expected["labels"]).mean())
    return [
        Difference("boxes", _largest(outputs["boxes"], expected["boxes"]) / longer_side, limit),
        Difference("scores", _largest(outputs["scores"], expected["scores"]), limit),
        Difference("labels", other_labels, _MAX_OTHER_LABELS if limit else None),
    ]


def refuse_differences(differences: list[Difference]) -> None:
    """Refuse a model with a difference above its limit.

    Raises:
        UserError: names the outputs.
    """
    # Written so that NaN, which compares as false, is refused too.
    above = [d for d in differences if d.limit is not None and not d.value <= d.limit]
    if above:
        raise UserError(f"the exported model differs from Keras: {', '.join(map(str, above))}")


def _check_shapes(outputs: Outputs, expected: Outputs) -> None:
    for name, array in expected.items():
        if name not in outputs:
            raise UserError(f"the exported model has no output {name}, only {', '.join(outputs)}")
        exported = outputs[name]
        if exported.shape != array.shape or exported.dtype.kind != array.dtype.kind:
            raise UserError(
                f"the exported model's {name} is {exported.dtype} {exported.shape}; it must be "
                f"{array.dtype} {array.shape}"
            )


def _largest(array: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(array.astype(np.float64) - expected).max())


def _count_unmatched(
    outputs: Outputs, expected: Outputs, tolerance: float, score_threshold: float
) -> tuple[int, int]:
    """Of the detections of both sides, how many have no counterpart; and how many there are.

    A counterpart has the same class, box and score. A detection whose score is so close to the
    threshold that the other side may have dropped it is not counted.
    """
    unmatched = total = 0
    for image in range(len(expected["count"])):
        exported, keras = (_detections(side, image) for side in (outputs, expected))
        for detections, others in ((keras, exported), (exported, keras)):
            boxes, scores, labels = detections
            compared = ~(scores <= score_threshold + tolerance)  # NaN is compared
            boxes, scores, labels = boxes[compared], scores[compared], labels[compared]
            same = same_objects(boxes, labels, others[0], others[2], _MIN_IOU)
            same &= np.abs(scores[:, None] - others[1][None]) <= tolerance
            total += len(boxes)
            unmatched += int((~same.any(axis=1)).sum())
    return unmatched, total


def _detections(outputs: Outputs, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    count = int(outputs["count"][image])
    boxes, scores, labels = (outputs[name][image, :count] for name in ("boxes", "scores", "labels"))
    return boxes, scores, labels
