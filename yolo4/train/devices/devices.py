"""The devices of a training, and what its workers exchange."""

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from nets.yolov4 import YOLOv4
from yolo4.environment.devices import ALONE, Cluster
from yolo4.train.devices import replicas


@dataclasses.dataclass(frozen=True, eq=False)
class Devices:
    """The devices that train together.

    Attributes:
        count: how many there are, over all workers.
        cluster: the workers.
        strategy: the `tf.distribute.Strategy` of several devices under TensorFlow; None for one
            device, and for JAX, on which Keras distributes a step by itself.
    """

    count: int = 1
    cluster: Cluster = ALONE
    strategy: Any = None

    @property
    def description(self) -> str:
        """How many devices and workers there are; runs that differ in it are not alike."""
        workers = self.cluster.workers
        return f"{self.count} on {workers} workers" if workers > 1 else str(self.count)

    def scope(self) -> contextlib.AbstractContextManager:
        """Variables that are made within the block exist on every device."""
        return self.strategy.scope() if self.strategy else contextlib.nullcontext()

    def distribute(self, model: YOLOv4) -> None:
        """Let `fit` and `predict_on_batch` use all devices of this worker.

        Args:
            model: made in the scope, and compiled out of it, with an optimizer made in the scope.
        """
        if self.strategy:
            replicas.distribute(model, self.strategy)

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Concatenate the arrays of all workers, which call this together, in their order.

        Args:
            array: float32, float64, int32 or int64; its first axis may differ.
        """
        return replicas.gather(array, self.strategy) if self.cluster.workers > 1 else array

    def gather_texts(self, text: str) -> Sequence[str]:
        """The texts of all workers, in their order."""
        codes = np.frombuffer(text.encode(), np.uint8).astype(np.int32)
        ends = np.cumsum(self.gather(np.array([len(codes)])))
        parts = np.split(self.gather(codes), ends[:-1])
        return [part.astype(np.uint8).tobytes().decode() for part in parts]

    def wait_for_all(self) -> None:
        """Return when all workers have come here."""
        self.gather(np.zeros(1))

    def summary(self, batch_size: int, sync_batch_norm: bool) -> str:
        """One line on how the batch and batch normalization are divided."""
        spans_all = sync_batch_norm or self.strategy is None
        statistics = "all of them" if spans_all else "each by itself"
        return (
            f"devices: {self.description}, each with {batch_size // self.count} images of a batch; "
            f"batch normalization by {statistics}"
        )


ONE_DEVICE = Devices()
