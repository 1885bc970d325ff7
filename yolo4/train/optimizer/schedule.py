"""The learning rate over the epochs."""

import math

from keras import ops
from keras.optimizers.schedules import LearningRateSchedule

from nets import Tensor

_STEP_EPOCHS = (0.8, 0.9)
_STEP_FACTOR = 0.1


class EpochSchedule(LearningRateSchedule):
    """Linear warm-up, then a cosine or steps, as a function of the epoch.

    Args:
        peak: the highest learning rate.
        kind: "cosine" or "step".
        epochs: epochs of the whole training.
        warmup_epochs: epochs of linear warm-up.
        min_fraction: final learning rate of the cosine, relative to `peak`.
        first_epoch: the epoch at step 0.
        steps_per_epoch: calls of the optimizer per epoch.
    """

    def __init__(
        self,
        peak: float,
        kind: str,
        epochs: int,
        warmup_epochs: float,
        min_fraction: float,
        first_epoch: int,
        steps_per_epoch: int,
    ) -> None:
        super().__init__()
        self.arguments = {
            "peak": peak,
            "kind": kind,
            "epochs": epochs,
            "warmup_epochs": warmup_epochs,
            "min_fraction": min_fraction,
            "first_epoch": first_epoch,
            "steps_per_epoch": steps_per_epoch,
        }

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step counted from 0."""
        a = self.arguments
        epoch = a["first_epoch"] + (ops.cast(step, "float32") + 1) / a["steps_per_epoch"]
        warmup = ops.minimum(1.0, epoch / max(a["warmup_epochs"], 1e-6))
        if a["kind"] == "step":
            drops = sum(ops.cast(epoch > part * a["epochs"], "float32") for part in _STEP_EPOCHS)
            return a["peak"] * warmup * _STEP_FACTOR**drops
        rest = max(a["epochs"] - a["warmup_epochs"], 1e-6)
        progress = ops.clip((epoch - a["warmup_epochs"]) / rest, 0.0, 1.0)
        cosine = (1 + ops.cos(math.pi * progress)) / 2
        low = a["min_fraction"]
        return a["peak"] * warmup * (low + (1 - low) * cosine)

    def get_config(self) -> dict:
        """The arguments of the constructor."""
        return dict(self.arguments)
