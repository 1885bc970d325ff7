"""The confidence losses, and the YOLOv4 loss with its three terms."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from keras import KerasTensor, ops

from nets import Tensor
from nets import boxes as overlaps
from nets.assign import Assignment, assign, ignored
from nets.compiled import Call, compiled, gradient
from nets.decode import AnchorGrid, anchor_grid, decode_boxes, flatten, grids

Elementwise = Callable[[Tensor, Tensor], Tensor]
TERMS = ("box", "confidence", "class")


def _signed(logits: Tensor, targets: Tensor) -> Tensor:
    """x_t: the logit, negated if the target is 0, so that p_t = sigmoid(x_t)."""
    return (2 * targets - 1) * logits


def _alpha_t(targets: Tensor, alpha: float) -> Tensor:
    return targets * alpha + (1 - targets) * (1 - alpha)


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross entropy `-log p_t` of logits and targets 0 or 1, elementwise."""
    return ops.softplus(-_signed(logits, targets))


def balanced_bce(logits: Tensor, targets: Tensor, alpha: float) -> Tensor:
    """Alpha-balanced cross entropy `-alpha_t log p_t` (Lin et al. 2017, eq. 3), elementwise."""
    return _alpha_t(targets, alpha) * bce(logits, targets)


def focal(logits: Tensor, targets: Tensor, alpha: float, gamma: float) -> Tensor:
    """Focal loss `-alpha_t (1 - p_t)^gamma log p_t` (Lin et al. 2017, eq. 5), elementwise.

    The power is taken in the logarithm, where it neither underflows nor has an infinite gradient.
    """
    focus = ops.exp(-gamma * ops.softplus(_signed(logits, targets)))
    return _alpha_t(targets, alpha) * focus * bce(logits, targets)


def focal_star(logits: Tensor, targets: Tensor, gamma: float, beta: float) -> Tensor:
    """Focal* `-log sigma(gamma x_t + beta) / gamma` (Lin et al. 2017, appendix A), elementwise."""
    return ops.softplus(-(gamma * _signed(logits, targets) + beta)) / gamma


def ohem(logits: Tensor, targets: Tensor, loss_mask: Tensor, ratio: float) -> Tensor:
    """BCE of positives and of the hardest `ratio` negatives per positive, 0 elsewhere.

    Hard negative mining as in SSD (Liu et al. 2016, section 2.2), but over the whole batch, so
    that it also chooses negatives in images without objects.

    Args:
        logits: `[B, N]`.
        targets: `[B, N]`, 0 or 1.
        loss_mask: `[B, N]`, 0 for ignored negatives, which are never chosen.
        ratio: negatives per positive; at least one negative is chosen.
    """
    values = bce(logits, targets)
    hardness = ops.reshape(ops.where((targets == 0) & (loss_mask > 0), values, -1.0), (-1,))
    count = ops.maximum(ops.sum(targets) * ratio, 1.0)
    order = ops.argsort(-ops.stop_gradient(hardness))
    rank = ops.argsort(order)
    hard = (ops.cast(rank, "float32") < count) & (hardness >= 0)
    return values * ops.maximum(targets, ops.cast(ops.reshape(hard, ops.shape(values)), "float32"))


def confidence_loss(
    name: str, *, focal_alpha: float, focal_gamma: float, focal_beta: float, ohem_ratio: float
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The confidence loss `name` as a function of logits, targets and loss_mask, all `[B, N]`.

    The parameters have the names of the settings; `yolo4.build` passes each one that is here.
    """
    if name == "ohem":
        return partial(ohem, ratio=ohem_ratio)
    elementwise: dict[str, Elementwise] = {
        "bce": bce,
        "balanced_bce": partial(balanced_bce, alpha=focal_alpha),
        "focal": partial(focal, alpha=focal_alpha, gamma=focal_gamma),
        "focal_star": partial(focal_star, gamma=focal_gamma, beta=focal_beta),
    }
    chosen = elementwise[name]
    return lambda logits, targets, loss_mask: loss_mask * chosen(logits, targets)


class Match(NamedTuple):
    """What the loss requires of each of the N predictors for a batch.

    Attributes:
        flat: box and confidence logits of all levels, float32 `[B, N, 5]`.
        grid: the predictors.
        predicted: boxes `[B, N, 4]`, xyxy in input pixels, without a gradient.
        assignment: which predictors are assigned to which object.
        loss_mask: float32 `[B, N]`, 0 for predictors that the confidence loss ignores, else 1.
    """

    flat: Tensor
    grid: AnchorGrid
    predicted: Tensor
    assignment: Assignment
    loss_mask: Tensor


def _candidates(logits: Sequence[Tensor], predictor: Tensor) -> Tensor:
    """Gather the logits of the candidates' predictors, `[B, K]`: float32 `[B, K, 5 + C]`.

    They are gathered level by level: the class logits of all predictors are never concatenated.
    """
    batch, depth = ops.shape(predictor)[0], logits[0].shape[-1]
    image = ops.arange(batch, dtype="int32")[:, None, None]
    by_level = ops.reshape(predictor, (batch, -1, len(logits), logits[0].shape[-2]))
    first, parts = 0, []
    for level, (rows, columns) in enumerate(grids(logits)):
        count = rows * columns * logits[level].shape[-2]
        index = image * count + by_level[:, :, level] - first
        parts.append(ops.take(ops.reshape(logits[level], (-1, depth)), index, axis=0))
        first += count
    return ops.cast(ops.reshape(ops.concatenate(parts, axis=2), (batch, -1, depth)), "float32")


class YOLOv4Loss:
    """`box_gain * box + confidence_gain * confidence + class_gain * class`.

    Each term is a sum over the batch divided by a constant, the number of positives that a batch
    of as many images has on average. With the positives of the batch itself as the divisor, an
    object would count the more, the fewer others are in its batch, and the gradient of a batch
    without objects would be tens of times the usual one. The box term is `1 - CIoU` (or DIoU, GIoU)
    and the class term is BCE, both of the predictors that are assigned to an object. The confidence
    term is over all predictors but the ignored ones: those that overlap an object, and those that
    would be assigned to a difficult one.

    Args:
        anchors: `[L * A, 2]`, width and height in input pixels, A for each of the L levels in turn.
        strides: input pixels per cell of each level.
        scale_x_y: grid sensitivity of each level.
        positives_per_image: mean number of predictors that are assigned to an object.
        confidence: what `confidence_loss` returns.
        box_loss: "ciou", "diou" or "giou".
        box_gain: multiplier of the box term.
        confidence_gain: multiplier of the confidence term.
        class_gain: multiplier of the class term.
        label_smoothing: moves class targets from 0 and 1 toward 1/2.
        ignore_threshold: IoU with any object above which a negative is ignored.
        anchor_match_threshold: see `nets.assign.assign`.
    """

    def __init__(
        self,
        *,
        anchors: Iterable[Iterable[float]],
        strides: Sequence[int],
        scale_x_y: Sequence[float],
        positives_per_image: float,
        confidence: Callable[[Tensor, Tensor, Tensor], Tensor],
        box_loss: str,
        box_gain: float,
        confidence_gain: float,
        class_gain: float,
        label_smoothing: float,
        ignore_threshold: float,
        anchor_match_threshold: float | None,
    ) -> None:
        self.anchors = [[float(side) for side in anchor] for anchor in anchors]
        self.strides = tuple(strides)
        self.scale_x_y = tuple(scale_x_y)
        self.positives_per_image = positives_per_image
        self.confidence = confidence
        self.overlap = getattr(overlaps, box_loss)
        self.gains = {"box": box_gain, "confidence": confidence_gain, "class": class_gain}
        self.label_smoothing = label_smoothing
        self.ignore_threshold = ignore_threshold
        self.anchor_match_threshold = anchor_match_threshold
        self._fused = compiled(self._terms)
        self._fused_match = compiled(self._match)

    def __call__(
        self, targets: Mapping[str, Tensor], logits: Sequence[Tensor]
    ) -> dict[str, Tensor]:
        """The terms "box", "confidence" and "class", each times its gain; their sum is the loss.

        Args:
            targets: "boxes" `[B, M, 4]`, xyxy in input pixels; "labels" int `[B, M]`, -1 pads;
                "difficult" bool `[B, M]`, objects that are neither positives nor negatives.
            logits: of each level, `[B, H, W, A, 5 + C]`.
        """
        values = self._fused(targets["boxes"], targets["labels"], targets["difficult"], *logits)
        return dict(zip(TERMS, values, strict=True))

    def gradient_call(self, logits: Sequence[Tensor], max_objects: int) -> Call:
        """How a training step calls the loss and its gradient.

        Args:
            logits: the network's symbolic outputs.
            max_objects: M of the targets.
        """
        objects = (None, max_objects)
        boxes = KerasTensor((*objects, 4), "float32")
        targets = [boxes, KerasTensor(objects, "int32"), KerasTensor(objects, "bool")]
        count = len(logits)
        loss = gradient(lambda *arrays: sum(self._fused(*arrays[count:], *arrays[:count])), count)
        return Call(loss, [*logits, *targets])

    def match(self, targets: Mapping[str, Tensor], logits: Sequence[Tensor]) -> Match:
        """What the confidence loss depends on; arguments as for the call."""
        return self._fused_match(targets["boxes"], targets["labels"], targets["difficult"], *logits)

    def _match(
        self,
        boxes: Tensor,
        labels: Tensor,
        difficult: Tensor,
        *logits: Tensor,
    ) -> Match:
        flat = flatten([level[..., :5] for level in logits])
        grid = anchor_grid(grids(logits), self.anchors, self.strides, self.scale_x_y)
        boxes = ops.cast(boxes, "float32")
        present = ops.convert_to_tensor(labels) >= 0
        difficult = ops.cast(difficult, "bool")
        assignment = assign(
            boxes,
            present,
            difficult,
            self.anchors,
            self.strides,
            grids(logits),
            self.anchor_match_threshold,
        )
        predicted = ops.stop_gradient(decode_boxes(flat[..., :4], grid))
        ignore = ignored(predicted, boxes, present, self.ignore_threshold)
        negative = (1 - ops.cast(ignore, "float32")) * (1 - assignment.ignored_difficult)
        loss_mask = ops.maximum(assignment.positive, negative)
        return Match(flat, grid, predicted, assignment, loss_mask)

    def _terms(
        self,
        boxes: Tensor,
        labels: Tensor,
        difficult: Tensor,
        *logits: Tensor,
    ) -> tuple[Tensor, ...]:
        flat, grid, _, assignment, loss_mask = self._match(boxes, labels, difficult, *logits)
        boxes = ops.cast(boxes, "float32")
        predictor, positive = assignment.predictor, assignment.positive
        is_assigned = ops.cast(assignment.is_assigned, "float32")
        candidates = _candidates(logits, predictor)
        terms = {
            "box": ops.sum(is_assigned * self._box_term(candidates, predictor, grid, boxes)),
            "confidence": ops.sum(self.confidence(flat[..., 4], positive, loss_mask)),
            "class": ops.sum(is_assigned * self._class_term(candidates[..., 5:], labels)),
        }
        usual_positives = self.positives_per_image * ops.cast(ops.shape(boxes)[0], "float32")
        return tuple(self.gains[name] * terms[name] / usual_positives for name in TERMS)

    def _box_term(
        self, candidates: Tensor, predictor: Tensor, grid: AnchorGrid, boxes: Tensor
    ) -> Tensor:
        """1 - overlap of each candidate's predicted box and its object, `[B, K]`."""
        own_grid = AnchorGrid(*(ops.take(part, predictor, axis=0) for part in grid))
        objects = ops.repeat(boxes, len(self.anchors), axis=1)
        return 1 - self.overlap(decode_boxes(candidates[..., :4], own_grid), objects)

    def _class_term(self, logits: Tensor, labels: Tensor) -> Tensor:
        """BCE of each candidate's class logits, summed over classes, `[B, K]`."""
        labels = ops.repeat(labels, len(self.anchors), axis=1)
        targets = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")
        smoothing = self.label_smoothing
        smooth = targets * (1 - smoothing) + smoothing / 2
        # Cross entropy with a soft target: softplus(x) - y x.
        return ops.sum(ops.softplus(logits) - smooth * logits, axis=-1)
