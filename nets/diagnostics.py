"""The confidence loss of each predictor and its gradient, computed by the loss itself."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keras import ops

from nets import Tensor
from nets.compiled import compiled, value_and_gradient
from nets.losses import YOLOv4Loss


class Examined(NamedTuple):
    """The confidence loss at each of the N predictors of a batch.

    Attributes:
        boxes: predicted boxes `[B, N, 4]`, xyxy in input pixels.
        confidence: `[B, N]` in 0..1.
        positive: `[B, N]`, 1 for predictors that are assigned to an object, else 0.
        loss_mask: `[B, N]`, 0 for ignored predictors, else 1.
        loss: `[B, N]`, times `confidence_gain`; 0 for ignored predictors.
        gradient: `[B, N]`, derivative of the sum of `loss` in the confidence logit.
        strides: `[N]`, side of the predictors' cells in input pixels.
    """

    boxes: Tensor
    confidence: Tensor
    positive: Tensor
    loss_mask: Tensor
    loss: Tensor
    gradient: Tensor
    strides: Tensor


def examine(
    criterion: YOLOv4Loss, targets: Mapping[str, Tensor], logits: Sequence[Tensor]
) -> Examined:
    """Split the confidence term of a batch by predictors.

    The sum of `loss` over all predictors, divided by the criterion's `positives_per_image` and the
    number of images, is the term.

    Args:
        criterion: the loss.
        targets: as for the criterion.
        logits: of each level, `[B, H, W, A, 5 + C]`.
    """
    targets = {name: ops.convert_to_tensor(value) for name, value in targets.items()}
    match = criterion.match(targets, [ops.convert_to_tensor(level) for level in logits])
    confidence, positive = match.flat[..., 4], match.assignment.positive
    loss, gradient = _loss_and_gradient(criterion, confidence, positive, match.loss_mask)
    return Examined(
        match.predicted,
        ops.sigmoid(confidence),
        positive,
        match.loss_mask,
        loss,
        gradient,
        match.grid.strides[:, 0],
    )


def confidence_curve(
    criterion: YOLOv4Loss, p_t: Sequence[float], target: int
) -> tuple[Tensor, Tensor]:
    """The confidence loss of single examples (Lin et al. 2017, figure 1), times its gain.

    Each example is a separate batch, so that a loss that chooses among examples takes each one.

    Args:
        criterion: the loss.
        p_t: `[K]`, the predicted probability of the true target, above 0 and below 1.
        target: 1 for positives, 0 for negatives.

    Returns:
        Loss `[K]`, and its gradient in the confidence logit `[K]`.
    """
    p = ops.convert_to_tensor(p_t, "float32")
    logits = (2 * target - 1) * (ops.log(p) - ops.log1p(-p))
    one = ops.ones((1, 1))
    alone = compiled(lambda x: _loss_and_gradient(criterion, x, target * one, one))
    pairs = [alone(logits[k : k + 1, None]) for k in range(p.shape[0])]
    loss, gradient = (ops.concatenate(parts)[:, 0] for parts in zip(*pairs, strict=True))
    return loss, gradient


def _loss_and_gradient(
    criterion: YOLOv4Loss, logits: Tensor, positive: Tensor, loss_mask: Tensor
) -> tuple[Tensor, Tensor]:
    gain = criterion.gains["confidence"]
    return value_and_gradient(lambda x: gain * criterion.confidence(x, positive, loss_mask), logits)
