"""Runs a network in bfloat16 if its boxes in bfloat16 are those of float32."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from yolo4.inference.agreement import Infer, Outputs, agree
from yolo4.inference.stored_result import load_result, store_result

# Both precisions run on each of them; a long video without objects must not run both to its end.
_MAX_IMAGES = 30


class VerifiedBfloat16:
    """A network in bfloat16; the first images with objects also run in float32, to compare.

    If the boxes differ, the network runs in float32 from then on.

    Args:
        open_network: opens the network in a precision.
        result_file: stores the result of the comparison, so that it is made once.
        hardware: processor and library version, for which the result holds.
    """

    def __init__(
        self, open_network: Callable[[str], Infer], result_file: Path, hardware: str
    ) -> None:
        self._result_file = result_file
        self._hardware = hardware
        self._lock = threading.Lock()
        agrees = load_result(result_file, "agrees", hardware)
        self.precision = "float32" if agrees is False else "bfloat16"
        self._infer = open_network(self.precision)
        self._infer_float32 = open_network("float32") if agrees is None else self._infer
        self._images_left = _MAX_IMAGES if agrees is None else 0

    def __call__(self, images: np.ndarray) -> Outputs:
        """The network's output in the chosen precision."""
        if self._images_left > 0:
            with self._lock:
                if self._images_left > 0:
                    self._verify(images)
        return self._infer(images)

    def _verify(self, images: np.ndarray) -> None:
        agrees = agree(self._infer(images), self._infer_float32(images))
        # Images without an object leave it undecided; the next images may decide it.
        self._images_left = self._images_left - len(images) if agrees is None else 0
        if agrees is False:
            self.precision, self._infer = "float32", self._infer_float32
            print("bfloat16 finds other boxes than float32: continuing in float32")
        if self._images_left <= 0:
            self._infer_float32 = self._infer  # frees the network that is no longer needed
        if agrees is not None:
            store_result(self._result_file, "agrees", agrees, self._hardware)
