"""The confidence losses, and the YOLOv4 loss that they are one term of."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from keras import KerasTensor, ops

from nets import boxes as overlaps
from nets.assign import Assignment, assign, ignored
from nets.compiled import Call, compiled, gradient
from nets.decode import SCALE_X_Y, AnchorGrid, anchor_grid, decode_boxes, flatten, grids

Elementwise = Callable[[KerasTensor, KerasTensor], KerasTensor]
TERMS = ("box", "confidence", "class")


def _signed(logits: KerasTensor, targets: KerasTensor) -> KerasTensor:
    """x_t: the logit, with its sign turned where the target is 0, so that p_t = sigmoid(x_t)."""
    return (2 * targets - 1) * logits


def _alpha_t(targets: KerasTensor, alpha: float) -> KerasTensor:
    return targets * alpha + (1 - targets) * (1 - alpha)


def bce(logits: KerasTensor, targets: KerasTensor) -> KerasTensor:
    """Binary cross entropy `-log p_t` of logits and targets 0 or 1, elementwise."""
    return ops.softplus(-_signed(logits, targets))


def balanced_bce(logits: KerasTensor, targets: KerasTensor, alpha: float) -> KerasTensor:
    """Alpha-balanced cross entropy `-alpha_t log p_t` (Lin et al. 2017, eq. 3), elementwise."""
    return _alpha_t(targets, alpha) * bce(logits, targets)


def focal(logits: KerasTensor, targets: KerasTensor, alpha: float, gamma: float) -> KerasTensor:
    """Focal loss `-alpha_t (1 - p_t)^gamma log p_t` (Lin et al. 2017, eq. 5), elementwise.

    The power is taken in the logarithm, where it neither underflows nor has an infinite gradient.
    """
    focus = ops.exp(-gamma * ops.softplus(_signed(logits, targets)))
    return _alpha_t(targets, alpha) * focus * bce(logits, targets)


def focal_star(logits: KerasTensor, targets: KerasTensor, gamma: float, beta: float) -> KerasTensor:
    """Focal* `-log sigma(gamma x_t + beta) / gamma` (Lin et al. 2017, appendix A), elementwise."""
    return ops.softplus(-(gamma * _signed(logits, targets) + beta)) / gamma


def ohem(
    logits: KerasTensor, targets: KerasTensor, loss_mask: KerasTensor, ratio: float
) -> KerasTensor:
    """BCE of positives and of the hardest `ratio` negatives per positive, 0 elsewhere.

    Hard negative mining as in SSD (Liu et al. 2016, section 2.2), over the whole batch, so that
    images without objects take part.

    Args:
        logits: `[B, N]`.
        targets: `[B, N]`, 0 or 1.
        loss_mask: `[B, N]`, 0 for ignored negatives, which are never chosen.
        ratio: negatives per positive; at least one negative is chosen.
    """
    values = bce(logits, targets)
    hardness = ops.reshape(ops.where((targets == 0) & (loss_mask > 0), values, -1.0), (-1,))
    wanted = ops.maximum(ops.sum(targets) * ratio, 1.0)
    order = ops.argsort(-ops.stop_gradient(hardness))
    place = ops.argsort(order)
    hard = (ops.cast(place, "float32") < wanted) & (hardness >= 0)
    return values * ops.maximum(targets, ops.cast(ops.reshape(hard, ops.shape(values)), "float32"))


def confidence_loss(
    name: str, alpha: float, gamma: float, beta: float, ohem_ratio: float
) -> Callable[[KerasTensor, KerasTensor, KerasTensor], KerasTensor]:
    """The confidence loss `name` as a function of logits, targets and loss_mask, all `[B, N]`."""
    if name == "ohem":
        return partial(ohem, ratio=ohem_ratio)
    elementwise: dict[str, Elementwise] = {
        "bce": bce,
        "balanced_bce": partial(balanced_bce, alpha=alpha),
        "focal": partial(focal, alpha=alpha, gamma=gamma),
        "focal_star": partial(focal_star, gamma=gamma, beta=beta),
    }
    chosen = elementwise[name]
    return lambda logits, targets, loss_mask: loss_mask * chosen(logits, targets)


class Match(NamedTuple):
    """What is asked of each of the N predictors for a batch.

    Attributes:
        flat: box and confidence logits of all levels, float32 `[B, N, 5]`.
        grid: the predictors.
        predicted: boxes `[B, N, 4]`, xyxy in input pixels, without a gradient.
        assignment: which predictors answer for which object.
        loss_mask: float32 `[B, N]`, 0 for the predictors that the confidence loss ignores, else 1.
    """

    flat: KerasTensor
    grid: AnchorGrid
    predicted: KerasTensor
    assignment: Assignment
    loss_mask: KerasTensor


def _candidates(logits: Sequence[KerasTensor], predictor: KerasTensor) -> KerasTensor:
    """All logits of the candidates' predictors: of `[B, K]`, float32 `[B, K, 5 + C]`.

    Taken level by level, as the class logits of the other predictors are not needed in one array.
    """
    batch, numbers = ops.shape(predictor)[0], logits[0].shape[-1]
    image = ops.arange(batch, dtype="int32")[:, None, None]
    by_level = ops.reshape(predictor, (batch, -1, len(logits), logits[0].shape[-2]))
    first, found = 0, []
    for level, (rows, columns) in enumerate(grids(logits)):
        count = rows * columns * logits[level].shape[-2]
        index = image * count + by_level[:, :, level] - first
        found.append(ops.take(ops.reshape(logits[level], (-1, numbers)), index, axis=0))
        first += count
    return ops.cast(ops.reshape(ops.concatenate(found, axis=2), (batch, -1, numbers)), "float32")


class YOLOv4Loss:
    """`box_gain * box + confidence_gain * confidence + class_gain * class`.

    Each term is a sum over the batch divided by the number of positives in it, at least 1. The box
    term is `1 - CIoU` (or DIoU, GIoU) and the class term BCE, both of the predictors that answer
    for an object; the confidence term is over all predictors but the ignored ones: those that
    overlap an object, and those that would answer for a difficult one.

    Args:
        anchors: `[9, 2]`, width and height in input pixels.
        confidence: what `confidence_loss` makes.
        box_loss: "ciou", "diou" or "giou".
        box_gain: multiplier of the box term.
        confidence_gain: multiplier of the confidence term.
        class_gain: multiplier of the class term.
        label_smoothing: moves class targets from 0 and 1 towards 1/2.
        ignore_threshold: IoU with any object above which a negative is ignored.
        anchor_match_threshold: see `nets.assign.assign`.
        scale_x_y: grid sensitivity of strides 8, 16, 32.
    """

    def __init__(
        self,
        anchors: Sequence[Sequence[float]],
        confidence: Callable[[KerasTensor, KerasTensor, KerasTensor], KerasTensor],
        box_loss: str = "ciou",
        box_gain: float = 1.0,
        confidence_gain: float = 1.0,
        class_gain: float = 1.0,
        label_smoothing: float = 0.0,
        ignore_threshold: float = 0.7,
        anchor_match_threshold: float | None = None,
        scale_x_y: Sequence[float] = SCALE_X_Y,
    ) -> None:
        self.anchors = [[float(side) for side in anchor] for anchor in anchors]
        self.confidence = confidence
        self.overlap = getattr(overlaps, box_loss)
        self.gains = {"box": box_gain, "confidence": confidence_gain, "class": class_gain}
        self.label_smoothing = label_smoothing
        self.ignore_threshold = ignore_threshold
        self.anchor_match_threshold = anchor_match_threshold
        self.scale_x_y = scale_x_y
        self._fused = compiled(self._terms)
        self._fused_match = compiled(self._match)

    def __call__(
        self, targets: Mapping[str, KerasTensor], logits: Sequence[KerasTensor]
    ) -> dict[str, KerasTensor]:
        """The terms "box", "confidence" and "class", times their gains; their sum is the loss.

        Args:
            targets: "boxes" `[B, M, 4]`, xyxy in input pixels; "labels" int `[B, M]`, -1 pads;
                "difficult" bool `[B, M]`, objects that are neither positives nor negatives.
            logits: p3, p4, p5, each `[B, H, W, A, 5 + C]`.
        """
        values = self._fused(targets["boxes"], targets["labels"], targets["difficult"], *logits)
        return dict(zip(TERMS, values, strict=True))

    def gradient_call(self, logits: Sequence[KerasTensor], max_objects: int) -> Call:
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

    def match(self, targets: Mapping[str, KerasTensor], logits: Sequence[KerasTensor]) -> Match:
        """What the confidence loss sees; arguments as for the call."""
        return self._fused_match(targets["boxes"], targets["labels"], targets["difficult"], *logits)

    def _match(
        self,
        boxes: KerasTensor,
        labels: KerasTensor,
        difficult: KerasTensor,
        *logits: KerasTensor,
    ) -> Match:
        flat = flatten([level[..., :5] for level in logits])
        grid = anchor_grid(grids(logits), self.anchors, self.scale_x_y)
        boxes = ops.cast(boxes, "float32")
        present = ops.convert_to_tensor(labels) >= 0
        difficult = ops.cast(difficult, "bool")
        found = assign(
            boxes, present, difficult, self.anchors, grids(logits), self.anchor_match_threshold
        )
        predicted = ops.stop_gradient(decode_boxes(flat[..., :4], grid))
        ignore = ignored(predicted, boxes, present, self.ignore_threshold)
        negative = (1 - ops.cast(ignore, "float32")) * (1 - found.ignored_difficult)
        return Match(flat, grid, predicted, found, ops.maximum(found.positive, negative))

    def _terms(
        self,
        boxes: KerasTensor,
        labels: KerasTensor,
        difficult: KerasTensor,
        *logits: KerasTensor,
    ) -> tuple[KerasTensor, ...]:
        flat, grid, _, found, loss_mask = self._match(boxes, labels, difficult, *logits)
        boxes = ops.cast(boxes, "float32")
        is_assigned = ops.cast(found.is_assigned, "float32")
        answering = _candidates(logits, found.predictor)
        terms = {
            "box": ops.sum(is_assigned * self._box_term(answering, found.predictor, grid, boxes)),
            "confidence": ops.sum(self.confidence(flat[..., 4], found.positive, loss_mask)),
            "class": ops.sum(is_assigned * self._class_term(answering[..., 5:], labels)),
        }
        positives = ops.maximum(ops.sum(is_assigned), 1)
        return tuple(self.gains[name] * terms[name] / positives for name in TERMS)

    def _box_term(
        self, answering: KerasTensor, predictor: KerasTensor, grid: AnchorGrid, boxes: KerasTensor
    ) -> KerasTensor:
        """1 - overlap of each candidate's predicted box and its object, `[B, K]`."""
        places = AnchorGrid(*(ops.take(part, predictor, axis=0) for part in grid))
        objects = ops.repeat(boxes, len(self.anchors), axis=1)
        return 1 - self.overlap(decode_boxes(answering[..., :4], places), objects)

    def _class_term(self, logits: KerasTensor, labels: KerasTensor) -> KerasTensor:
        """BCE of each candidate's class logits, summed over classes, `[B, K]`."""
        labels = ops.repeat(labels, len(self.anchors), axis=1)
        targets = ops.one_hot(ops.cast(labels, "int32"), logits.shape[-1], dtype="float32")
        smoothing = self.label_smoothing
        smooth = targets * (1 - smoothing) + smoothing / 2
        # Cross entropy with a soft target: softplus(x) - y x.
        return ops.sum(ops.softplus(logits) - smooth * logits, axis=-1)
