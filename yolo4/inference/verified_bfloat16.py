"""Chooses bfloat16 where the processor is good at it and the network finds the same boxes in it."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from utils.files import write_atomically
from yolo4.inference.agreement import Outputs, agree

Infer = Callable[[np.ndarray], Outputs]

# In each both precisions compute; a long film without an object has to go on in one of them.
_MOST_IMAGES = 30


class Checked:
    """A network in bfloat16, once its first boxes were found to be those of float32.

    Args:
        start: makes the network ready in a precision.
        memory: file that keeps what was found, so that it is found out once.
        place: processor and library, whose arithmetic it was found for.
    """

    def __init__(self, start: Callable[[str], Infer], memory: Path, place: str) -> None:
        self._memory = memory
        self._place = place
        self._lock = threading.Lock()
        known = self._recall()
        self.precision = "float32" if known is False else "bfloat16"
        self._infer = start(self.precision)
        self._exact = start("float32") if known is None else self._infer
        self._images_left = _MOST_IMAGES if known is None else 0

    def __call__(self, images: np.ndarray) -> Outputs:
        """The network's output in the precision that was chosen."""
        if self._images_left > 0:
            with self._lock:
                if self._images_left > 0:
                    self._settle(images)
        return self._infer(images)

    def _settle(self, images: np.ndarray) -> None:
        same = agree(self._infer(images), self._exact(images))
        # An image without an object tells nothing: the next one may.
        self._images_left = self._images_left - len(images) if same is None else 0
        if same is False:
            self.precision, self._infer = "float32", self._exact
            print("bfloat16 finds other boxes than float32: going on in float32")
        if self._images_left <= 0:
            self._exact = self._infer  # no second network stays in memory
        if same is not None:
            found = {"agrees": same, "place": self._place}
            with suppress(OSError):  # then the next start finds it out again
                write_atomically(self._memory, json.dumps(found) + "\n")

    def _recall(self) -> bool | None:
        try:
            found = json.loads(self._memory.read_text(encoding="utf-8"))
            return bool(found["agrees"]) if found["place"] == self._place else None
        except (OSError, ValueError, KeyError, TypeError):
            return None
