"""Which predictors make up the confidence loss, measured on the same validation batches each time.

"Loss" is the confidence loss of single predictors, times `confidence_gain`, and "gradient" is the
absolute value of its gradient with respect to the confidence logit. Both are summed over predictors
and not divided by the number of positives. A negative is hard if its confidence is above 1/2: the
paper calls p_t > 1/2 well classified (Lin et al. 2017). Ignored predictors contribute nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from nets.diagnostics import Examined, confidence_curve, examine
from nets.losses import YOLOv4Loss
from utils.boxes import iou, nms
from utils.letterbox import Letterbox
from utils.records import Record
from utils.resize import Resize
from utils.training_data.validation_set import ValidationSet

PREDICTOR_GROUPS = ("positive", "easy_negative", "hard_negative", "ignored")
_GRID = np.linspace(0, 1, 101)
_P_T = np.linspace(0.01, 0.99, 99)
_HISTOGRAM_EDGES = np.linspace(0, 1, 51)
_WORST = 24
_SAME_OBJECT_IOU = 0.3  # of boxes around the same spot
_MOST_CANDIDATES = 1024  # per image, before boxes around the same spot are dropped


class LossAnalysis:
    """Analyzes the confidence loss of a network on the first validation batches.

    Args:
        records: the validation split.
        class_names: names of the classes.
        input_size: height and width of the network's input in pixels.
        batch_size: images per batch, as in training: mining chooses among the negatives of a batch.
        resize: how images are fitted to the input.
        batches: number of batches, or fewer if the split is smaller.
    """

    def __init__(
        self,
        records: Sequence[Record],
        class_names: Sequence[str],
        input_size: tuple[int, int],
        batch_size: int,
        resize: Resize = "letterbox",
        batches: int = 4,
    ) -> None:
        self.records = list(records[: batches * batch_size])
        self.class_names = tuple(class_names)
        self.batch_size = batch_size
        self._images = ValidationSet(self.records, input_size, resize)

    def epoch(self, model: keras.Model, criterion: YOLOv4Loss) -> dict[str, Any]:
        """Loss, gradient and number of predictors by level and group.

        Args:
            model: the network.
            criterion: its loss.

        Returns:
            `{"levels": [{"stride", "loss", "gradient", "predictors"}, ...]}`. `predictors` has a
            number for each of `PREDICTOR_GROUPS`, loss and gradient for all of them but `ignored`.
        """
        totals: dict[int, np.ndarray] = {}
        for seen, _ in self._batches(model, criterion):
            groups = _groups(seen)
            values = np.stack([seen.loss, np.abs(seen.gradient), np.ones_like(seen.loss)])
            for stride in np.unique(seen.strides).tolist():
                here = seen.strides == stride
                pair = (values[..., here].astype(np.float64), groups[..., here])
                totals[stride] = totals.get(stride, 0) + np.einsum("qbn,gbn->qg", *pair)
        return {
            "levels": [
                {
                    "stride": int(stride),
                    "loss": dict(zip(PREDICTOR_GROUPS[:-1], loss.tolist(), strict=False)),
                    "gradient": dict(zip(PREDICTOR_GROUPS[:-1], gradient.tolist(), strict=False)),
                    "predictors": dict(zip(PREDICTOR_GROUPS, map(int, count), strict=True)),
                }
                for stride, (loss, gradient, count) in sorted(totals.items())
            ]
        }

    def final(self, model: keras.Model, criterion: YOLOv4Loss) -> dict[str, Any]:
        """The trained network in detail.

        Args:
            model: the network.
            criterion: its loss.

        Returns:
            `cumulative`: share of the loss of the predictors with the lowest losses, against their
            share of the predictors, for positives and negatives; both lists are empty without such
            predictors or if their loss is 0. `histogram`: numbers of positives and negatives by
            confidence. `curves`: `confidence_curve` against p_t, with the gradient's absolute
            value. `worst_negatives`: the negatives with the largest loss, one per spot, in
            descending order; boxes are xyxy in pixels of the image file as displayed.
        """
        losses: dict[str, list[np.ndarray]] = {"positive": [], "negative": []}
        histogram = {name: np.zeros(len(_HISTOGRAM_EDGES) - 1, np.int64) for name in losses}
        worst: list[dict[str, Any]] = []
        first = 0
        for seen, letterboxes in self._batches(model, criterion):
            positive = seen.positive > 0
            negative = ~positive & (seen.loss_mask > 0)
            for name, rows in (("positive", positive), ("negative", negative)):
                losses[name].append(seen.loss[rows])
                histogram[name] += np.histogram(seen.confidence[rows], _HISTOGRAM_EDGES)[0]
            for row, letterbox in enumerate(letterboxes):
                worst += self._worst_of(seen, row, letterbox, self.records[first + row])
            worst = sorted(worst, key=lambda entry: -entry["loss"])[:_WORST]
            first += len(letterboxes)
        return {
            "cumulative": {n: cumulative_share(np.concatenate(x)) for n, x in losses.items()},
            "histogram": {
                "edges": _HISTOGRAM_EDGES.tolist(),
                **{name: counts.tolist() for name, counts in histogram.items()},
            },
            "curves": _curves(criterion),
            "worst_negatives": worst,
        }

    def _batches(
        self, model: keras.Model, criterion: YOLOv4Loss
    ) -> Iterator[tuple[Examined, list[Letterbox]]]:
        """The predictors of each batch as NumPy arrays, and the letterboxes of its images."""
        for step in range(self._images.steps(self.batch_size)):
            images, targets, letterboxes = self._images.batch(step, self.batch_size)
            # The network is compiled for full batches; repeated images must not count twice.
            full = images[np.resize(np.arange(len(images)), self.batch_size)]
            logits = [level[: len(images)] for level in model.predict_on_batch(full)]
            seen = examine(criterion, targets, logits)
            yield Examined(*map(keras.ops.convert_to_numpy, seen)), letterboxes

    def _worst_of(
        self, seen: Examined, row: int, letterbox: Letterbox, record: Record
    ) -> list[dict[str, Any]]:
        """The negatives of one image with the largest loss."""
        loss = np.where((seen.positive[row] == 0) & (seen.loss_mask[row] > 0), seen.loss[row], 0)
        chosen = np.argsort(-loss, kind="stable")[:_MOST_CANDIDATES]
        chosen = chosen[loss[chosen] > 0]
        boxes = letterbox.invert(seen.boxes[row, chosen])
        visible = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # not entirely in the padding
        chosen, boxes = chosen[visible], boxes[visible]
        kept = nms(boxes, loss[chosen], np.zeros(len(chosen)), _SAME_OBJECT_IOU, _WORST)
        return [
            {
                "image": str(record.image),
                "box": box.tolist(),
                "confidence": float(seen.confidence[row, predictor]),
                "loss": float(loss[predictor]),
                "gradient": float(abs(seen.gradient[row, predictor])),
                **self._nearest(box, record),
                "stride": int(seen.strides[predictor]),
            }
            for box, predictor in zip(boxes[kept], chosen[kept], strict=True)
        ]

    def _nearest(self, box: np.ndarray, record: Record) -> dict[str, Any]:
        """The object with the highest IoU, and that IoU."""
        overlap = iou(box, np.reshape(record.boxes, (-1, 4)))
        if not overlap.any():
            return {"iou": 0.0, "object": None}
        nearest = int(overlap.argmax())
        return {
            "iou": float(overlap[nearest]),
            "object": self.class_names[record.labels[nearest]],
        }


def _groups(seen: Examined) -> np.ndarray:
    """Which predictors are in each of `PREDICTOR_GROUPS`, bool `[4, B, N]`."""
    positive, ignored = seen.positive > 0, seen.loss_mask == 0
    hard = seen.confidence > 0.5
    negative = ~positive & ~ignored
    return np.stack([positive, negative & ~hard, negative & hard, ignored])


def cumulative_share(losses: np.ndarray) -> dict[str, list[float]]:
    """The curve of figure 4 of Lin et al. 2017, at 101 points; empty if the loss is 0."""
    running = np.append(0.0, np.cumsum(np.sort(losses), dtype=np.float64))
    if not running[-1] > 0:
        return {"share_of_predictors": [], "share_of_loss": []}
    shares = np.interp(_GRID * len(losses), np.arange(len(running)), running / running[-1])
    return {"share_of_predictors": _GRID.tolist(), "share_of_loss": shares.tolist()}


def _curves(criterion: YOLOv4Loss) -> dict[str, Any]:
    curves: dict[str, Any] = {"x": _P_T.tolist()}
    for name, target in (("positive", 1), ("negative", 0)):
        pair = confidence_curve(criterion, _P_T.tolist(), target)
        loss, gradient = map(keras.ops.convert_to_numpy, pair)
        curves[name] = {"loss": loss.tolist(), "gradient": np.abs(gradient).tolist()}
    return curves
